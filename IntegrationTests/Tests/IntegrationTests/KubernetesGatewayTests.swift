import Foundation
import Synchronization
import Testing

/// Two real gateways and the operator, a real API server under the rights that are installed, and a real OpenBao.
@Suite(.enabled(if: KubernetesServer.isPresent), .serialized, .timeLimit(.minutes(10)))
struct KubernetesGatewayTests {
  @Test func agentsAreServedKilledAndLetBackByEveryGateway() async throws {
    try await withCluster { cluster in
      try await cluster.runPod()
      for gateway in cluster.gateways {
        try await waitUntil("\(gateway.name) serves the agent") { try await cluster.curl(gateway, "/echo/one").status == "200" }
        let swapped = try await cluster.curl(gateway, "/echo/two", "-H", "authorization: Bearer TOKEN_PAT")
        #expect(swapped.status == "200", "\(swapped.text)")
        #expect(try await cluster.curl(gateway, "/echo", host: "other.test").connect == "403")
      }
      let received = try cluster.upstream.received().filter { $0["path"].string == "/echo/two" }
      #expect(received.count == 2)
      for request in received { #expect(request["headers"].array.contains { $0[1].string == "Bearer the-value-of-it" }) }
      let leases = try await cluster.leases()
      #expect(leases == ["palana-gateway-g-1", "palana-gateway-g-2"])

      // An order that lets the process run, so that nothing but the order keeps the agent from the gateways.
      async let first = cluster.curl(cluster.gateways[0], "/sse")
      async let second = cluster.curl(cluster.gateways[1], "/sse")
      try await waitUntil("both streams flow") { try cluster.upstream.received().count { $0["path"].string == "/sse" } == 2 }
      try await cluster.order("look", "{target: {owner: alice@example.com}, stop: false")
      let ended = try await (first, second)
      for text in [ended.0.text, ended.1.text] { #expect(Self.isCutOff(text), "\(text)") }
      let expected = ["credentials operator", "gateway g-1", "gateway g-2", "network operator"]
      try await waitUntil("every plane has answered") { try await cluster.planes("look") == expected }
      for gateway in cluster.gateways { #expect(try await cluster.curl(gateway, "/echo/never").status == "000") }
      // One that dies and comes back holds the order from its first moment.
      cluster.gateways[0].kill()
      try await cluster.gateways[0].launch()
      try await waitUntil("it is ready again") {
        #expect(try await cluster.curl(cluster.gateways[0], "/echo/never").status == "000")
        return try await cluster.gateways[0].isReady()
      }
      #expect(try await cluster.curl(cluster.gateways[0], "/echo/never").status == "000")
      #expect(try await cluster.planes("look") == expected)
      #expect(try cluster.upstream.received().allSatisfy { $0["path"].string != "/echo/never" })
      try await cluster.server.delete("/apis/palana.dev/v1alpha1/killorders/look")
      for gateway in cluster.gateways {
        try await waitUntil("\(gateway.name) serves it again") { try await cluster.curl(gateway, "/echo/three").status == "200" }
      }

      // An order as it usually is: the process ends, and a new one comes when the order goes.
      try await cluster.order("drill", "{target: {agent: \(cluster.agentID())}")
      try await waitUntil("every plane is cut") { try await cluster.planes("drill") == ["compute operator"] + expected }
      #expect(try await cluster.pod().isNull)
      try await cluster.server.delete("/apis/palana.dev/v1alpha1/killorders/drill")
      try await cluster.runPod()
      for gateway in cluster.gateways {
        try await waitUntil("\(gateway.name) serves the new pod") { try await cluster.curl(gateway, "/echo/four").status == "200" }
      }

      // An end that was asked for gives the lease back, and the trail verifies.
      #expect(try await cluster.gateways[1].stop() == 0)
      #expect(try await cluster.leases() == ["palana-gateway-g-1"])
      let events = try cluster.gateways[1].output().split(separator: "\n").map { try JSON(parsing: String($0)) }
      #expect(events.contains { $0["agent"]["owner"].string == "alice@example.com" && $0["decision"].string == "allow" })
      #expect(events.contains { $0["reason"].string == "agent_killed" })
      #expect(try !cluster.gateways[1].output().contains("the-value-of-it"))
    }
  }

  @Test func aGatewayThatCannotHearOfKillsAllowsNothing() async throws {
    try await withCluster { cluster in
      try await cluster.runPod()
      let gateway = cluster.gateways[0]
      try await waitUntil("the agent is served") { try await cluster.curl(gateway, "/echo/one").status == "200" }
      async let stream = cluster.curl(gateway, "/sse")
      try await waitUntil("a stream flows") { try cluster.upstream.received().contains { $0["path"].string == "/sse" } }
      try await cluster.server.freeze(true)
      do {
        try await waitUntil("nothing is allowed", within: .seconds(30)) { try await cluster.curl(gateway, "/echo/two").connect == "503" }
        let text = try await stream.text
        #expect(Self.isCutOff(text), "\(text)")
        #expect(try await !gateway.isReady())
      } catch {
        try await cluster.server.freeze(false)
        throw error
      }
      try await cluster.server.freeze(false)
      try await waitUntil("it serves again") { try await cluster.curl(gateway, "/echo/three").status == "200" }
      try await waitUntil("it is ready") { try await gateway.isReady() }
      let reasons = try gateway.output().split(separator: "\n").compactMap { try JSON(parsing: String($0))["reason"].string }
      #expect(reasons.contains("policy_unavailable"))
    }
  }

  @Test func theTrailOfEveryPartIsCollectedOnce() async throws {
    try await withCluster { cluster in
      try await cluster.startCollector()
      try await cluster.runPod()
      for gateway in cluster.gateways {
        try await waitUntil("\(gateway.name) serves the agent") { try await cluster.curl(gateway, "/echo/one").status == "200" }
        #expect(try await cluster.curl(gateway, "/echo", host: "other.test").connect == "403")
      }
      try await cluster.loosen()
      for (pod, words) in [("g-1", "host_not_allowed"), ("g-2", "host_not_allowed"), ("operator-0", "\"drift\"")] {
        try await waitUntil("what \(pod) did is there") { try await cluster.trail("--pod", pod).contains(words) }
      }
      let shown = try await cluster.trail("--agent", "scout", "--decision", "deny")
      #expect(shown.contains("\"pod\":\"g-1\"") && shown.contains("\"pod\":\"g-2\""), "\(shown)")
      #expect(shown.contains("system:serviceaccount:palana-system:palana-gateway"))
      // It dies at some moment, misses what happens meanwhile, and has all of it once when it is back.
      for number in 0..<5 { _ = try await cluster.curl(cluster.gateways[0], "/echo/before-\(number)") }
      cluster.collector.kill()
      for number in 0..<5 { #expect(try await cluster.curl(cluster.gateways[0], "/echo/while-\(number)").status == "200") }
      try await cluster.collector.launch()
      try await waitUntil("it answers again") { try await cluster.pcli("whoami").code == 0 }
      try await waitUntil("it has everything", within: .seconds(120)) { try await cluster.trail("--pod", "g-1").contains("/echo/while-4") }
      let events = try await cluster.trail("--pod", "g-1").split(separator: "\n").map { try JSON(parsing: String($0)) }
      let paths = events.compactMap { $0["request"]["path"].string }
      for number in 0..<5 {
        #expect(paths.count { $0 == "/echo/while-\(number)" } == 1 && paths.count { $0 == "/echo/before-\(number)" } == 1)
      }
      let numbers = events.compactMap { $0["origin"]["seq"].number.map { Int($0) } }
      #expect(numbers.count == events.count && numbers == Array(1...numbers.count), "\(numbers)")
      #expect(try await cluster.trail("--severity", "critical").isEmpty)
      #expect(try await cluster.pcli("audit", "verify").code == 0)
      // What is left is handed in at the end of a gateway.
      _ = try await cluster.curl(cluster.gateways[1], "/echo/last")
      #expect(try await cluster.gateways[1].stop() == 0)
      #expect(try await cluster.trail("--pod", "g-2").contains("/echo/last"))
    }
  }

  /// Whether curl's transfer was ended by the other side, and not by its own time limit (28).
  private static func isCutOff(_ text: String) -> Bool { text.contains("curl: (") && !text.contains("curl: (28)") }

  private func withCluster(_ body: (Cluster) async throws -> Void) async throws {
    let store = try await ExternalStore()
    defer { store.stop() }
    let server = try await KubernetesServer()
    defer { server.stop() }
    let cluster = try await Cluster(store, server)
    do {
      try await cluster.start()
      try await body(cluster)
    } catch {
      for process in cluster.processes { Issue.record("\(process.name): \(process.log())") }
      await cluster.tearDown()
      throw error
    }
    await cluster.tearDown()
  }
}

/// One `palanad` with what it writes.
private final class Daemon: Sendable {
  let name: String
  let home: String
  /// Of its proxy and its probes.
  let address: String
  private let arguments: [String]
  private let process = Mutex<Process?>(nil)

  init(_ name: String, home: String, address: String, _ arguments: [String]) {
    self.name = name
    self.home = home
    self.address = address
    self.arguments = arguments
  }

  func launch() async throws {
    let process = Process()
    process.executableURL = URL(filePath: Checkout.palanad)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    for (file, isError) in [("out", false), ("log", true)] {
      let path = "\(home)/\(name).\(file)"
      if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
      let handle = FileHandle(forWritingAtPath: path)
      _ = try handle?.seekToEnd()
      if isError { process.standardError = handle } else { process.standardOutput = handle }
    }
    try process.run()
    self.process.withLock { $0 = process }
  }

  func kill() { end(SIGKILL) }

  /// Asks it to end.
  func stop() async throws -> Int32? {
    process.withLock { if let process = $0, process.isRunning { Foundation.kill(process.processIdentifier, SIGTERM) } }
    try await waitUntil("\(name) has ended") { process.withLock { $0?.isRunning == false } }
    return process.withLock { $0?.terminationStatus }
  }

  private func end(_ signal: Int32) {
    process.withLock { process in
      guard let process, process.isRunning else { return }
      Foundation.kill(process.processIdentifier, signal)
      process.waitUntilExit()
    }
  }

  func isReady() async throws -> Bool { try await run("/usr/bin/curl", ["-sf", "http://\(address):3130/readyz"]).code == 0 }
  func output() throws -> String { try String(contentsOfFile: "\(home)/\(name).out", encoding: .utf8) }
  func log() -> String { (try? String(contentsOfFile: "\(home)/\(name).log", encoding: .utf8)) ?? "" }
}

/// An agent in a cluster: its pod has one of this machine's own addresses.
private final class Cluster: Sendable {
  let home = "/tmp/palana-it-cluster-\(UInt32.random(in: 0...UInt32.max))"
  let upstream: Upstream
  let server: KubernetesServer
  let gateways: [Daemon]
  /// The control API; started by those who look at the trail.
  let collector: Daemon
  private let operators: [Daemon]
  private let store: ExternalStore
  private let source = "127.\(Int.random(in: 80...250)).\(Int.random(in: 1...250)).\(Int.random(in: 2...250))"
  private let facts = Mutex((namespace: "", proxy: ""))

  var processes: [Daemon] { gateways + operators + [collector] }

  init(_ store: ExternalStore, _ server: KubernetesServer) async throws {
    self.store = store
    self.server = server
    let address = "127.\(Int.random(in: 80...250)).\(Int.random(in: 1...250)).\(Int.random(in: 2...250))"
    upstream = try await Upstream(folder: home + "-upstream", address: address, names: Platform.names)
    try FileManager.default.createDirectory(
      atPath: home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try await server.define()
    let hosts = Platform.names.map { "\($0): \"\(address)\"" }.joined(separator: ", ")
    let kubeconfig = try await server.account("gateway")
    let collecting = "127.40.\(Int.random(in: 1...250)).\(Int.random(in: 2...250))"
    collector = Daemon(
      "control", home: home, address: collecting,
      ["control", "--config", home + "/control.yaml", "--kubeconfig", server.kubeconfig])
    var gateways: [Daemon] = []
    for number in 1...2 {
      let listen = "127.\(20 + number).\(Int.random(in: 1...250)).\(Int.random(in: 2...250))"
      let config = "\(home)/g-\(number).yaml"
      try """
      home: \(home)/g-\(number)
      egress:
        listen: "\(listen):3128"
        dns: {hosts: {\(hosts)}}
        upstreamCA: ["\(upstream.caFile)"]
        allowAddresses: ["\(address)/32"]
      \(store.configuration())
      gateway:
        probes: "\(listen):3130"
        cluster: {kubeconfig: "\(kubeconfig)", podName: g-\(number), patience: 6s}
      audit: {stdout: true, \(Self.handingIn(home, "g-\(number)", to: collecting))}
      """.write(toFile: config, atomically: true, encoding: .utf8)
      gateways.append(Daemon("g-\(number)", home: home, address: listen, ["gateway", "--cluster", "--config", config]))
    }
    self.gateways = gateways
    operators = [
      Daemon(
        "operator", home: home, address: "",
        ["operator", "--config", home + "/operator.yaml", "--kubeconfig", try await server.account("operator")])
    ]
    let put = try await store.put("alice@example.com", "scout", "PAT", "the-value-of-it")
    #expect(put.code == 0, "\(put.error)")
  }

  /// Everything runs, and the operator has made what the agent needs.
  func start() async throws {
    // The first of the gateways makes the keys of the installation.
    let authority = try await run(Checkout.palanad, ["gateway", "ca", "--config", "\(home)/g-1.yaml"])
    #expect(authority.code == 0, "\(authority.error)")
    try authority.output.write(toFile: home + "/ca.pem", atomically: true, encoding: .utf8)
    try await store.read("installation/proxy-token-key", "key").write(toFile: home + "/proxy.key", atomically: true, encoding: .utf8)
    try """
    gateway: {host: gateway.test, pods: {namespace: palana-system}}
    caFile: \(home)/ca.pem
    proxyKeyFile: \(home)/proxy.key
    home: \(home)/operator
    audit: {\(Self.handingIn(home, "operator-0", to: collector.address))}
    """.write(toFile: home + "/operator.yaml", atomically: true, encoding: .utf8)
    for process in gateways + operators { try await process.launch() }
    for gateway in gateways { try await waitUntil("\(gateway.name) is ready") { try await gateway.isReady() } }
    try await server.apply("/api/v1/namespaces/people", "{apiVersion: v1, kind: Namespace, metadata: {name: people}}")
    let kinds = "/apis/palana.dev/v1alpha1/namespaces/people"
    try await server.apply(
      kinds + "/agents/scout",
      """
      {apiVersion: palana.dev/v1alpha1, kind: Agent, metadata: {name: scout}, spec: {owner: alice@example.com, image: "example.com/a:1",
      command: [serve], egress: {rules: [{host: allowed.test, ports: [\(upstream.httpsPort)]}]}}}
      """)
    try await server.apply(
      kinds + "/secretbindings/scout-pat",
      """
      {apiVersion: palana.dev/v1alpha1, kind: SecretBinding, metadata: {name: scout-pat}, spec: {owner: alice@example.com, agent: scout,
      secret: PAT, access: proxy-only, hosts: ["allowed.test:\(upstream.httpsPort)"], places: [], revision: 1,
      keys: [{key: token, placeholder: TOKEN_PAT, variable: PAT}]}}
      """)
  }

  private static func handingIn(_ home: String, _ pod: String, to address: String) -> String {
    "collector: {url: \"https://\(address):8443\", caFile: \"\(home)/control.crt\", tokenFile: \"\(home)/\(pod).token\"}"
  }

  /// Starts the control API, to which gateways and operator have tried to hand in their trails all along, and gives each the token of a pod.
  func startCollector() async throws {
    let made = try await run(
      "/usr/bin/openssl",
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=control.test",
        "-addext", "subjectAltName=IP:\(collector.address)", "-keyout", home + "/control.key", "-out", home + "/control.crt",
      ])
    try #require(made.code == 0, "\(made.error)")
    try """
    listen: "\(collector.address):8443"
    tls: {certFile: \(home)/control.crt, keyFile: \(home)/control.key}
    home: \(home)/control
    namespace: palana-system
    audit: {collect: {accounts: ["system:serviceaccount:palana-system:palana-gateway", "system:serviceaccount:palana-system:palana-operator"]}}
    """.write(toFile: home + "/control.yaml", atomically: true, encoding: .utf8)
    for (pod, account) in [("g-1", "palana-gateway"), ("g-2", "palana-gateway"), ("operator-0", "palana-operator")] {
      let token = try await server.token(ofPod: pod, account, audience: "palana-audit")
      try token.write(toFile: "\(home)/\(pod).token", atomically: true, encoding: .utf8)
    }
    try await collector.launch()
    try await waitUntil("the control API answers") { try await pcli("whoami").code == 0 }
  }

  func pcli(_ arguments: String...) async throws -> Finished {
    try await run(
      Checkout.pcli, ["--token-file", server.adminToken] + arguments,
      environment: ["PALANA_URL": "https://\(collector.address):8443", "PALANA_CA_FILE": home + "/control.crt"])
  }

  /// The trail of the control API, a line for each event.
  func trail(_ filter: String...) async throws -> String {
    let done = try await run(
      Checkout.pcli, ["--token-file", server.adminToken, "audit", "--all", "-o", "json"] + filter,
      environment: ["PALANA_URL": "https://\(collector.address):8443", "PALANA_CA_FILE": home + "/control.crt"])
    #expect(done.code == 0, "\(done.error)")
    return done.output
  }

  /// Takes away what holds the agent, as somebody might.
  func loosen() async throws {
    try await server.delete("/apis/networking.k8s.io/v1/namespaces/\(facts.withLock { $0.namespace })/networkpolicies/paths")
  }

  /// Waits for the agent's pod and says, as its node would, that it runs.
  func runPod() async throws {
    try await waitUntil("the agent has a namespace") {
      let spaces = try await server.get("/api/v1/namespaces?labelSelector=palana.dev/agent%3Dscout")
      facts.withLock { $0.namespace = spaces["items"][0]["metadata"]["name"].string ?? "" }
      return facts.withLock { !$0.namespace.isEmpty }
    }
    // The one that knows of the secret: an earlier one is replaced.
    try await waitUntil("the pod is there") {
      try await pod()["spec"]["containers"][0]["env"].array.contains { $0["name"].string == "PAT" }
    }
    let namespace = facts.withLock { $0.namespace }
    let secret = try await server.get("/api/v1/namespaces/\(namespace)/secrets/palana-proxy")
    let encoded = try #require(secret["data"]["token"].string)
    let token = String(decoding: try #require(Data(base64Encoded: encoded)), as: UTF8.self)
    // What its process is told, with the gateway's name as the name service would answer it.
    let variables = try await pod()["spec"]["containers"][0]["env"].array
    let proxy = try #require(variables.first { $0["name"].string == "HTTPS_PROXY" }?["value"].string)
    facts.withLock { $0.proxy = proxy.replacingOccurrences(of: "$(PALANA_PROXY_TOKEN)", with: token) }
    try await server.patchStatus(
      "/api/v1/namespaces/\(namespace)/pods/agent-0",
      """
      {"status": {"phase": "Running", "podIP": "\(source)", "podIPs": [{"ip": "\(source)"}], "containerStatuses": [{"name": "agent",
      "image": "a", "imageID": "a", "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}}
      """)
  }

  func pod() async throws -> JSON {
    try await server.get("/api/v1/namespaces/\(facts.withLock { $0.namespace })/pods/agent-0")
  }

  func agentID() async throws -> String {
    let space = try await server.get("/api/v1/namespaces/\(facts.withLock { $0.namespace })")
    return try #require(space["metadata"]["labels"]["palana.dev/agent-id"].string)
  }

  /// - Parameter spec: without its end, which is the same for all.
  func order(_ name: String, _ spec: String) async throws {
    try await server.apply(
      "/apis/palana.dev/v1alpha1/killorders/\(name)",
      """
      {apiVersion: palana.dev/v1alpha1, kind: KillOrder, metadata: {name: \(name)}, spec: \(spec), reason: drill, by: sec@example.com,
      at: "2026-01-01T00:00:00Z"}}
      """)
  }

  /// What stands in an order: `gateway g-1`.
  func planes(_ order: String) async throws -> [String] {
    try await server.get("/apis/palana.dev/v1alpha1/killorders/\(order)")["status"]["planes"].array
      .map { "\($0["plane"].string ?? "") \($0["by"].string ?? "")\($0["error"].string.map { " " + $0 } ?? "")" }.sorted()
  }

  func leases() async throws -> [String] {
    let path = "/apis/coordination.k8s.io/v1/namespaces/palana-system/leases?labelSelector=palana.dev/gateway%3Dtrue"
    return try await server.get(path)["items"].array.compactMap { $0["metadata"]["name"].string }.sorted()
  }

  /// One request of the agent by curl, with what it is given.
  /// - Returns: the status of the tunnel, that of the request (`000`: none), and all that curl said.
  func curl(_ gateway: Daemon, _ path: String, host: String = "allowed.test", _ more: String...) async throws -> (
    connect: String, status: String, text: String
  ) {
    let proxy = facts.withLock { $0.proxy }.replacingOccurrences(of: "gateway.test", with: gateway.address)
    let done = try await run(
      "/usr/bin/curl",
      [
        "-sSvN", "--max-time", "60", "--interface", source, "--proxy", proxy, "--cacert", home + "/ca.pem", "-w",
        "\n%{http_connect} %{http_code}", "https://\(host):\(upstream.httpsPort)\(path)",
      ] + more)
    let codes = done.output.split(separator: "\n").last?.split(separator: " ").map(String.init) ?? []
    return (codes.first ?? "", codes.last ?? "", done.output + done.error)
  }

  func tearDown() async {
    for process in processes { process.kill() }
    upstream.stop()
    try? FileManager.default.removeItem(atPath: home)
    try? FileManager.default.removeItem(atPath: upstream.folder)
  }
}
