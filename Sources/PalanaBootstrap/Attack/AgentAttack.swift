import FoundationEssentials
import NIOCore
import PalanaAPI
import PalanaAttack
import PalanaControlAPI
import PalanaCore
import PalanaEgress
import PalanaLocal
import PalanaPolicy
import PalanaStore

/// Attacks the way out of an agent on this machine: says where everything is and what policy leaves open, and hands the rest to
/// ``AttackCommand`` in a process of its own.
struct AgentAttack: Sendable {
  let store: any ResourceStore
  let network: AgentNetwork
  let runtime: SandboxRuntime
  let gateway: any EgressDataPlane
  let testing: EgressTesting
  let tokens: ProxyTokens
  let isTransparent: Bool
  let controlPort: Int?

  /// The cases take some seconds; a machine that is busy makes them slower.
  private static let limit: Duration = .seconds(90)
  /// Neighbours, and addresses of the machine, at most.
  private static let samples = 3

  /// - Throws: ``PalanaError``: `conflict` when the agent does not run.
  func run(
    _ agent: Agent, _ run: String, _ report: @escaping @Sendable (AttackRecord) async throws -> Void
  ) async throws {
    let id = AgentID(owner: try owner(agent), name: agent.metadata.name)
    guard case .running = runtime.state(of: id), let status = network.list().first(where: { $0.agent == id }), status.isLive
    else {
      let name = agent.metadata.name
      throw PalanaError(.conflict, "the agent ‘\(name)’ does not run", hint: "start it first: pcli resume \(name)")
    }
    let job = try await job(agent, id, run)
    try await NetworkProcess.run(
      ["attack", "--network", status.handle.namespacePath], input: try job.encoded(), within: Self.limit
    ) { line in
      if let failure = try? JSONDecoder().decode(PalanaError.Envelope.self, from: Data(line)) { throw failure.error }
      guard let record = try? JSONDecoder().decode(AttackRecord.self, from: Data(line)) else {
        throw PalanaError(.failed, "the attacking process said something else than results")
      }
      try await report(record)
    }
  }

  private func owner(_ agent: Agent) throws(PalanaError) -> UserIdentity {
    guard let owner = agent.spec.owner else { throw PalanaError(.failed, "the agent \(agent.metadata.name) has no owner") }
    return owner
  }

  private func job(_ agent: Agent, _ id: AgentID, _ run: String) async throws(PalanaError) -> AttackJob {
    guard let proxy = gateway.boundAddress, let uid = agent.metadata.uid else {
      throw PalanaError(.unreachable, "the gateway does not listen yet")
    }
    var job = AttackJob(
      run: run, agent: agent.metadata.name.text, token: tokens.token(uid: uid), gateway: proxy.address.description,
      proxyPort: Int(proxy.port), isTransparent: isTransparent, isStrict: gateway.isStrict,
      controlPort: controlPort,
      neighbours: try await neighbours(of: agent, id), machine: machine(proxy.address))
    job.allowed = try await allowed(agent, id, AttackCase.all(job).compactMap(\.destination))
    return job
  }

  /// Other agents with which no rule connects this one.
  private func neighbours(of agent: Agent, _ id: AgentID) async throws(PalanaError) -> [String] {
    let owner = try owner(agent)
    var peers: Set<AgentID> = []
    for rule in try await store.list(PeeringRuleSpec.self, owner: owner) where rule.spec.from == agent.metadata.name.text {
      if let to = try? ResourceName(rule.spec.to) { peers.insert(AgentID(owner: owner, name: to)) }
    }
    return network.list().filter { $0.isLive && $0.agent != id && !peers.contains($0.agent) }.prefix(Self.samples)
      .map { $0.handle.address.description }
  }

  /// The machine's IPv4 addresses beside the one where the gateway is.
  private func machine(_ gateway: IPAddress) -> [String] {
    let devices = (try? System.enumerateDevices()) ?? []
    let all = devices.compactMap { device -> String? in
      guard case .v4? = device.address, let text = device.address?.ipAddress else { return nil }
      return text.hasPrefix("127.") || text == gateway.description ? nil : text
    }
    return Array(Set(all).sorted().prefix(Self.samples))
  }

  /// Where policy lets the agent go, tunnel or in clear: that is no attack, and nothing is sent there.
  private func allowed(_ agent: Agent, _ id: AgentID, _ destinations: [Endpoint]) async throws(PalanaError) -> Set<String> {
    let subject = PolicySubject(
      id: id, name: agent.metadata.name, owner: try owner(agent), template: agent.spec.effectiveTemplateName,
      labels: agent.metadata.labels ?? [:])
    var allowed: Set<String> = []
    for destination in Set(destinations) {
      guard let authority = try? Authority.parse(hostHeader: destination.description, defaultPort: 80) else { continue }
      let questions = [
        EgressRequest(subject: subject, stage: .authority, scheme: .https, authority: authority),
        EgressRequest(subject: subject, stage: .request, scheme: .http, authority: authority, method: "GET", path: "/"),
      ]
      for question in questions where try await testing.explain(agent, question).allowed {
        allowed.insert(destination.description)
      }
    }
    return allowed
  }
}
