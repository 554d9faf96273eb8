import Glibc
import PalanaControl
import PalanaCore
import PalanaEgress
import PalanaLocal
import PalanaPlan
import PalanaPolicy
import PalanaSecrets
import PalanaStore

/// From the configuration of the machine to those of its parts.
extension LocalPlatform {
  private func subnet() throws(PalanaError) -> (base: UInt32, prefix: Int) {
    let range = try CIDR(configuration.subnet)
    guard case .v4(let base) = range.base else {
      throw PalanaError(.invalid, "network.subnet: an IPv4 range is needed")
    }
    return (base, range.prefix)
  }

  /// Where the gateway listens: what was configured, or the first address of the subnet.
  func gatewayEndpoint() throws(PalanaError) -> LocalConfiguration.Endpoint {
    let (base, _) = try subnet()
    let expected = IPAddress.v4(base + 1)
    guard let listen = configuration.egress.listen else {
      return LocalConfiguration.Endpoint(address: expected, port: 3128)
    }
    guard listen.address == expected else {
      throw PalanaError(
        .invalid, "egress.listen: agents reach only the first address of their subnet, \(expected)",
        hint: "change network.subnet too, or leave egress.listen out")
    }
    return listen
  }

  /// Where the LLM gateway listens; nil without routes.
  func llmEndpoint() throws(PalanaError) -> LocalConfiguration.Endpoint? {
    guard !configuration.llm.routes.isEmpty else { return nil }
    let gateway = try gatewayEndpoint()
    let listen = configuration.llm.listen ?? LocalConfiguration.Endpoint(address: gateway.address, port: 4000)
    guard listen.address == gateway.address, listen.port != gateway.port, listen.port > 0 else {
      throw PalanaError(
        .invalid,
        "llm.listen: agents reach only the first address of their subnet, \(gateway.address), and port \(gateway.port) is the proxy's",
        hint: "leave llm.listen out")
    }
    return listen
  }

  private func llmFacts() throws(PalanaError) -> PlatformFacts.LLM? {
    guard let listen = try llmEndpoint() else { return nil }
    let names = configuration.llm.routes.keys
    let written = configuration.llm.defaultRoute
    guard written.isEmpty || names.contains(written) else {
      throw PalanaError(
        .invalid, "llm.default: there is no route ‘\(written.prefix(80))’", hint: "llm.routes has \(names.sorted().joined(separator: ", "))"
      )
    }
    guard let route = written.isEmpty ? (names.contains("unified") ? "unified" : names.min()) : written else { return nil }
    return PlatformFacts.LLM(baseURL: "http://\(listen)/\(route)/v1", port: listen.port)
  }

  func networkConfiguration() throws(PalanaError) -> NetworkConfiguration {
    try NetworkConfiguration(
      prefix: configuration.networkPrefix, subnet: try CIDR(configuration.subnet),
      gatewayPorts: [try gatewayEndpoint().port] + (try llmEndpoint().map { [$0.port] } ?? []),
      transparentPort: configuration.egress.isTransparent ? configuration.egress.transparent.port : nil)
  }

  /// Transparent mode, unless it is switched off. Its range stands for names, so nothing else may be there.
  private func transparentConfiguration() throws(PalanaError) -> TransparentConfiguration? {
    let written = configuration.egress.transparent
    guard configuration.egress.isTransparent, let port = UInt16(exactly: written.port) else { return nil }
    let range = if let range = written.range { range } else { try CIDR(TransparentConfiguration.defaultRange) }
    for other in configuration.egress.allowAddresses + [try CIDR(configuration.subnet)]
    where range.contains(other.base) || other.contains(range.base) {
      throw PalanaError(
        .invalid, "egress.transparent.range: \(range) overlaps \(other)",
        hint: "name a range of addresses that nothing here has")
    }
    return try TransparentConfiguration(listenPort: port, range: range)
  }

  /// What may be dialled: the operator's ranges, never the platform's own endpoints.
  func addressPolicy() throws(PalanaError) -> AddressPolicy {
    for range in configuration.egress.allowAddresses { try AddressPolicy.validate(range) }
    let gateway = try gatewayEndpoint()
    var own = [AddressPolicy.ForbiddenEndpoint(address: gateway.address, port: nil)]
    if let listen = configuration.control.listen, let port = UInt16(exactly: listen.port), port != 0 {
      own.append(AddressPolicy.ForbiddenEndpoint(address: .v4(0), port: port))
      own.append(AddressPolicy.ForbiddenEndpoint(address: listen.address, port: port))
    }
    return AddressPolicy(allowed: configuration.egress.allowAddresses, forbiddenEndpoints: own)
  }

  func gatewayConfiguration(
    _ addresses: AddressPolicy, _ hosts: [CanonicalHost: IPAddress]
  ) throws(PalanaError) -> EgressGatewayConfiguration {
    configuration.gateway(
      at: try gatewayEndpoint(), addresses: addresses, hosts: hosts, transparent: try transparentConfiguration())
  }

  func platformFacts() throws(PalanaError) -> PlatformFacts {
    let endpoint = try gatewayEndpoint()
    return PlatformFacts(
      gateway: endpoint.address, prefix: try subnet().prefix, proxyPort: endpoint.port,
      resolver: configuration.egress.isTransparent ? endpoint.address : nil, llm: try llmFacts())
  }

  func sandboxConfiguration(_ authority: CertificateAuthority) -> SandboxConfiguration {
    var sandbox = SandboxConfiguration(
      home: configuration.home, runtimeDirectory: "/run/\(configuration.networkPrefix)-\(shortHash(configuration.home))",
      programs: tools.programs, caCertificate: authority.certificatePEM)
    sandbox.cgroupParent = configuration.networkPrefix
    return sandbox
  }

  func engineConfiguration(
    _ tokens: ProxyTokens, _ projection: EgressProjection, _ activity: ActivityBook
  ) throws(PalanaError) -> LocalEngineConfiguration {
    let (base, prefix) = try subnet()
    let store = self.store
    let readable = ReadableSecrets(store: openBao.runtime)
    let writer = AgentSecrets(store: openBao.control)
    // The network's own address, the gateway's and the broadcast address belong to nobody.
    let most = min(60_000, (1 << (32 - prefix)) - 2)
    var engine = LocalEngineConfiguration(
      platform: try platformFacts(), agentsFolder: layout.agents, subnetBase: base, proxyToken: tokens.token(uid:),
      readableSecrets: { owner, agent, names throws(PalanaError) in
        try await readable.files(owner: owner, agent: agent, secrets: names)
      },
      allocate: { id throws(PalanaError) in try await store.allocateIndex(for: id, limit: most) },
      release: { id throws(PalanaError) in try await store.releaseIndex(of: id) },
      publish: { live throws(PalanaError) in try await projection.publish(live) },
      purgeSecrets: { owner, agent throws(PalanaError) in try await writer.removeAll(owner: owner, agent: agent) })
    let clock = engine.clock
    engine.activity = { agent in activity.last(of: agent, now: clock.now()) }
    return engine
  }

  func controlConfiguration() async throws(PalanaError) -> ControlConfiguration {
    var tcp: ControlConfiguration.TCP?
    if let listen = configuration.control.listen {
      let file = configuration.control.tokenFile.isEmpty ? layout.controlToken : configuration.control.tokenFile
      tcp = ControlConfiguration.TCP(
        address: listen.address, port: listen.port, token: try await ControlToken.loadOrCreate(path: file),
        identity: try UserIdentity("operator"))
    }
    return ControlConfiguration(
      socket: ControlConfiguration.Socket(path: layout.controlSocket, group: try group()), tcp: tcp,
      installation: configuration.networkPrefix, version: PalanaVersion.current)
  }

  private func group() throws(PalanaError) -> UInt32? {
    let name = configuration.control.group
    guard !name.isEmpty else { return nil }
    guard let entry = unsafe getgrnam(name) else {
      throw PalanaError(.invalid, "control.group: there is no group ‘\(name)’ on this machine", hint: "groupadd \(name)")
    }
    return unsafe entry.pointee.gr_gid
  }
}
