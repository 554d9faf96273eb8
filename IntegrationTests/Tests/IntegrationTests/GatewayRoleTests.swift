import Foundation
import Synchronization
import Testing

/// `palanad gateway`: the gateway alone, on either data plane, from manifests and an OpenBao of somebody else.
@Suite struct GatewayRoleTests {
  static let planes = Checkout.hasEnvoy ? ["builtin", "envoy"] : ["builtin"]

  @Test(arguments: planes) func agentsAreServedAsTheManifestsSay(_ plane: String) async throws {
    try await withRole(plane) { role in
      #expect(try await role.probe("livez").code == 0)
      let allowed = try await role.curl("/echo/one", "-H", "authorization: Bearer TOKEN_PAT")
      #expect(allowed.status == "200", "\(allowed.text)")
      let received = try role.upstream.received().last { $0["path"].string == "/echo/one" }
      #expect(received?["headers"].array.contains { $0[1].string == "Bearer the-value-of-it" } == true)
      #expect(try await role.curl("/echo/two", host: "other.test").connect == "403")
      // A rule more, an order to kill, a folder that breaks: each holds without a restart.
      try role.write("policy.yaml", role.policy("other.test"))
      try await waitUntil("the new rule holds") { try await role.curl("/echo/three", host: "other.test").status == "200" }
      try role.write("order.yaml", role.order)
      try await waitUntil("the agent is killed") { try await role.curl("/echo/four").status == "000" }
      try role.remove("order.yaml")
      try await waitUntil("the agent is back") { try await role.curl("/echo/five").status == "200" }
      try role.write("broken.yaml", "{")
      try await waitUntil("nothing is allowed") { try await role.curl("/echo/six").connect == "503" }
      #expect(try await role.probe("readyz").code != 0)
      try role.remove("broken.yaml")
      try await waitUntil("it is ready again") { try await role.probe("readyz").code == 0 }
      #expect(try await role.curl("/echo/seven").status == "200")

      #expect(try await role.stop() == 0)
      let trail = try await run(Checkout.palanad, ["gateway", "audit", "--home", role.home])
      #expect(trail.code == 0, "\(trail.error)")
      let reasons = Set(try trail.jsonLines().compactMap { $0["reason"].string })
      #expect(reasons.isSuperset(of: ["host_not_allowed", "policy_unavailable"]))
      #expect(!trail.output.contains("the-value-of-it"))
      try trail.output.write(toFile: role.home + "/trail", atomically: true, encoding: .utf8)
      let verified = try await run(Checkout.pcli, ["audit", "verify", "--file", role.home + "/trail"])
      #expect(verified.code == 0, "\(verified.output)\(verified.error)")
    }
  }

  @Test func whatIsMissingStopsTheStart() async throws {
    let folder = "/tmp/palana-it-role-\(UInt32.random(in: 0...UInt32.max))"
    try FileManager.default.createDirectory(atPath: folder + "/agents", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let listen = ["--listen", "127.0.0.1:0"]
    let cases: [(arguments: [String], code: Int32, words: String)] = [
      (listen, 2, "gateway.agents"), (["--agents", folder + "/agents"], 2, "egress.listen"),
      (["--agents", folder + "/agents"] + listen, 2, "secrets.address"), (["--data-plane", "squid"], 64, "squid"),
    ]
    for (arguments, code, words) in cases {
      let done = try await run(Checkout.palanad, ["gateway", "--home", folder] + arguments)
      #expect(done.code == code && done.error.contains(words), "\(arguments): \(done.code) \(done.error)")
    }
  }

  @Test func manifestsThatAreWrongStopTheStart() async throws {
    try await withRole("builtin", starts: false) { role in
      try role.write("more.yaml", "kind: Nonsense")
      #expect(try await role.end() == 2)
      try role.remove("more.yaml")
      try FileManager.default.removeItem(atPath: role.agents)
      #expect(try await role.end() == 3)
    }
  }

  private func withRole(_ plane: String, starts: Bool = true, _ body: (Role) async throws -> Void) async throws {
    let store = try await ExternalStore()
    defer { store.stop() }
    let role = try await Role(plane, store)
    do {
      if starts { try await role.start() }
      try await body(role)
    } catch {
      await role.tearDown()
      throw error
    }
    await role.tearDown()
  }
}

/// One `palanad gateway` with an upstream. The agent's address is one of this machine's own.
private final class Role: Sendable {
  let home = "/tmp/palana-it-role-\(UInt32.random(in: 0...UInt32.max))"
  let upstream: Upstream
  private let source = "127.\(Int.random(in: 80...250)).\(Int.random(in: 1...250)).\(Int.random(in: 2...250))"
  private let gateway = "127.\(Int.random(in: 20...29)).\(Int.random(in: 1...250)).\(Int.random(in: 2...250))"
  private let process = Mutex<Process?>(nil)
  private let variables = Mutex<[String: String]>([:])

  var agents: String { home + "/agents" }
  private var config: String { home + "/gateway.yaml" }

  init(_ plane: String, _ store: ExternalStore) async throws {
    let address = "127.\(Int.random(in: 80...250)).\(Int.random(in: 1...250)).\(Int.random(in: 2...250))"
    upstream = try await Upstream(folder: home + "-upstream", address: address, names: Platform.names)
    try FileManager.default.createDirectory(
      atPath: home + "/agents", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let hosts = Platform.names.map { "\($0): \"\(address)\"" }.joined(separator: ", ")
    try """
    home: \(home)
    network: {prefix: t\(UInt16.random(in: 100...9999))}
    egress:
      listen: "\(gateway):3128"
      dataPlane: \(plane)
      envoy: {unscrubbed: true}
      dns: {hosts: {\(hosts)}}
      upstreamCA: ["\(upstream.caFile)"]
      allowAddresses: ["\(address)/32"]
    \(store.configuration())
    gateway: {agents: "\(home)/agents", patience: 2s, probes: "\(gateway):3130"}
    """.write(toFile: config, atomically: true, encoding: .utf8)
    try write("agent.yaml", agent)
    let put = try await store.put("alice@example.com", "scout", "PAT", "the-value-of-it")
    #expect(put.code == 0, "\(put.error)")
  }

  private var agent: String {
    let host = "allowed.test:\(upstream.httpsPort)"
    return """
      apiVersion: palana.dev/v1alpha1
      kind: Agent
      metadata: {name: scout, uid: u-\(UInt32.random(in: 0...UInt32.max))}
      spec: {owner: alice@example.com, egress: {rules: [{host: allowed.test, ports: [\(upstream.httpsPort)]}]}}
      status: {phase: Running, address: \(source)}
      ---
      apiVersion: palana.dev/v1alpha1
      kind: SecretBinding
      metadata: {name: scout-pat}
      spec:
        {owner: alice@example.com, agent: scout, secret: PAT, access: proxy-only, hosts: ["\(host)"], places: [], revision: 1,
        keys: [{key: token, placeholder: TOKEN_PAT, variable: PAT}]}
      """
  }

  func policy(_ host: String) -> String {
    """
    apiVersion: palana.dev/v1alpha1
    kind: EgressPolicy
    metadata: {name: more}
    spec: {rules: [{id: more, host: \(host), ports: [\(upstream.httpsPort)]}]}
    """
  }

  let order = """
    apiVersion: palana.dev/v1alpha1
    kind: KillOrder
    metadata: {name: drill}
    spec: {target: {owner: alice@example.com}, reason: drill, by: root, at: "2026-01-01T00:00:00Z"}
    """

  /// What the agent is given, once, as whoever starts it would.
  private func readEnvironment() async throws {
    let environment = try await run(
      Checkout.palanad, ["gateway", "env", "scout", "--owner", "alice@example.com", "--config", config])
    #expect(environment.code == 0, "\(environment.error)")
    let ca = try await run(Checkout.palanad, ["gateway", "ca", "--config", config])
    try ca.output.write(toFile: home + "/ca.pem", atomically: true, encoding: .utf8)
    var found: [String: String] = [:]
    for line in environment.output.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { found[String(parts[0])] = String(parts[1]) }
    }
    variables.withLock { $0 = found }
  }

  func write(_ name: String, _ text: String) throws {
    try text.write(toFile: agents + "/" + name, atomically: true, encoding: .utf8)
  }

  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: agents + "/" + name) }

  // MARK: The process

  private func launch() throws {
    let process = Process()
    process.executableURL = URL(filePath: Checkout.palanad)
    process.arguments = ["gateway", "--config", config]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    _ = FileManager.default.createFile(atPath: home + "/log", contents: nil)
    process.standardError = FileHandle(forWritingAtPath: home + "/log")
    try process.run()
    self.process.withLock { $0 = process }
  }

  func start() async throws {
    try await readEnvironment()
    try launch()
    do {
      try await waitUntil("the gateway is ready") { try await probe("readyz").code == 0 }
    } catch {
      Issue.record("\((try? String(contentsOfFile: home + "/log", encoding: .utf8)) ?? "")")
      throw error
    }
  }

  /// Starts it and waits for it to end by itself.
  func end() async throws -> Int32? {
    try launch()
    return try await exit()
  }

  /// Asks it to end.
  func stop() async throws -> Int32? {
    process.withLock { if let process = $0, process.isRunning { kill(process.processIdentifier, SIGTERM) } }
    return try await exit()
  }

  private func exit() async throws -> Int32? {
    try await waitUntil("the gateway has ended") { process.withLock { $0?.isRunning == false } }
    return process.withLock { $0?.terminationStatus }
  }

  func probe(_ name: String) async throws -> Finished { try await run("/usr/bin/curl", ["-sf", "http://\(gateway):3130/\(name)"]) }

  /// One request of the agent by curl, with nothing but the environment that it is given.
  /// - Returns: the status of the tunnel, that of the request (`000`: none), and all that curl said.
  func curl(_ path: String, host: String = "allowed.test", _ more: String...) async throws -> (
    connect: String, status: String, text: String
  ) {
    let variables = variables.withLock { $0 }
    let done = try await run(
      "/usr/bin/curl",
      [
        "-sv", "--interface", source, "--cacert", home + "/ca.pem", "-w", "\n%{http_connect} %{http_code}",
        "https://\(host):\(upstream.httpsPort)\(path)",
      ]
        + more, environment: variables)
    let codes = done.output.split(separator: "\n").last?.split(separator: " ").map(String.init) ?? []
    return (codes.first ?? "", codes.last ?? "", done.output + done.error)
  }

  func tearDown() async {
    process.withLock { process in
      guard let process, process.isRunning else { return }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    upstream.stop()
    try? FileManager.default.removeItem(atPath: home)
    try? FileManager.default.removeItem(atPath: upstream.folder)
  }
}
