import Foundation
import Testing

/// The case suite of Conformance/, against both data planes of a real installation, from the network namespaces of two real agents.
@Suite(.serialized) struct EgressCasesTests {
  @Test func everyCaseHoldsOnThisGateway() async throws {
    try await attack(
      plane: "swift", features: ["reasons", "strict", "http2", "scrubbing", "leakGuard", "plainHTTP", "websocket", "contents"])
  }

  /// What Envoy does not claim is in docs/envoy.md, and in the table as not applicable.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/opt/palana/tools/envoy/envoy")))
  func everyCaseHoldsWithEnvoy() async throws {
    try await attack(
      plane: "envoy", features: ["reasons", "plainHTTP", "websocket"], egress: ["dataPlane: envoy", "envoy: {unscrubbed: true}"])
  }

  /// A suite that cannot fail shows nothing.
  @Test func everyFamilyFailsOnAProxyThatPromisesNothing() async throws {
    let finished = try await run(Checkout.egressCases, ["self-test"])
    #expect(finished.code == 0, "\(finished.output.suffix(4000))\(finished.error.suffix(2000))")
  }

  private func attack(plane: String, features: [String], egress: [String] = []) async throws {
    let setUp = try await CaseSetUp(plane: plane, egress: egress)
    do {
      let finished = try await setUp.attack(features: features)
      // The runner of all tests shows these lines.
      for line in finished.output.split(separator: "\n") { print("posture| \(line)") }
      #expect(finished.code == 0, "\(finished.output.suffix(4000))\(finished.error.suffix(2000))")
      try await setUp.lookForCanaries()
    } catch {
      await setUp.platform.tearDown()
      throw error
    }
    await setUp.platform.tearDown()
  }
}

extension Checkout {
  /// Built in its own package: it knows nothing of the product.
  static let egressCases = root + "Conformance/.build/debug/egress-cases"
}

/// An installation with the agents, names, rules and secrets that the cases are about.
struct CaseSetUp {
  let platform: Platform
  /// The value of the secret, and what it is rotated to. Made at run time, so that no file of the tests holds them.
  private let canaries = [0, 1].map { _ in
    "case-" + String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
  }
  private let folder: String
  private let address: String
  /// An address of this machine that nobody may reach.
  private let inside: String
  private let plane: String

  private static let names = ["allowed.test", "other.test", "evil.test"]
  private static let contents = "the-value-that-goes-into-contents"
  private static let ports = [18443, 18444, 18445, 18446, 18447]

  /// - Parameter egress: further lines of the `egress` part of the configuration.
  init(plane: String, egress: [String]) async throws {
    self.plane = plane
    let net = "127.\(Int.random(in: 30...70)).\(Int.random(in: 1...250))"
    address = net + ".2"
    inside = net + ".3"
    platform = try await Platform()
    folder = platform.upstream.folder + "/cases"
    let authority = try await run(Checkout.egressCases, ["prepare", folder] + Self.names + ["*.dns.test"])
    #expect(authority.code == 0, "\(authority.output)\(authority.error)")
    for (file, canary) in zip(["value", "next"], canaries) {
      try canary.write(toFile: folder + "/" + file, atomically: true, encoding: .utf8)
    }
    let special = ["private": "10.9.8.7", "loop": "127.0.0.1", "metadata": "169.254.169.254"]
    let hosts = Self.names.map { "\($0): \"\(address)\"" } + special.map { "\($0.key).inside.test: \"\($0.value)\"" }
    // The usual configuration, with the suite's own upstream instead.
    let file = platform.home + "/config.yaml"
    var text = try String(contentsOfFile: file, encoding: .utf8)
    text =
      text.components(separatedBy: "egress:\n")[0] + """
        egress:
          dns: {servers: ["\(address):18053"], hosts: {\(hosts.joined(separator: ", "))}}
          upstreamCA: ["\(folder)/authority.pem"]
          allowAddresses: ["\(address)/32"]
          limits: {refusalsPerSecond: 0, newConnectionsPerSecond: 0}
        \(egress.map { "  \($0)\n" }.joined())
        """
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    try await platform.up()
    try await prepareAgents()
  }

  private func prepareAgents() async throws {
    for agent in ["case-a", "case-b"] { try await platform.pcli("create", agent, "--template", "shell") }
    for port in Self.ports { try await platform.pcli("egress", "allow", "case-a", "allowed.test:\(port)") }
    try await platform.pcli("egress", "allow", "case-a", "allowed.test:18080")
    try await platform.pcli("egress", "deny", "case-a", "allowed.test:18443", "--path", "/closed/**")
    for agent in ["case-a", "case-b"] { try await platform.pcli("egress", "allow", agent, "other.test:18443") }
    for name in ["private", "loop", "metadata"] { try await platform.pcli("egress", "allow", "case-a", "\(name).inside.test:18443") }
    try await platform.pcli("egress", "allow", "case-a", "*.dns.test:18443")
    let bound = ["--host", "allowed.test:18443", "--in", "header:authorization", "--in", "basic"]
    try await platform.pcli(["secrets", "add", "case-a", "CASE", "token=-"] + bound, input: canaries[0])
    try await platform.pcli(["secrets", "add", "case-b", "CASE_OF_B", "token=-"] + bound, input: "another-value-of-the-other-agent")
    try await platform.pcli(
      "secrets", "add", "case-a", "CONTENTS", "token=-", "--host", "other.test:18443", "--in", "body", "--in", "websocket",
      input: Self.contents)
    for agent in ["case-a", "case-b"] { try await platform.pcli("run", agent) }
  }

  /// Runs the suite as somebody who sits in the agents' networks.
  func attack(features: [String], only: [String] = []) async throws -> Finished {
    let command = [Checkout.pcli, "--home", platform.home]
    let rotation = command + ["secrets", "rotate", "case-a", "CASE"]
    let target: [String: Any] = [
      "plane": plane, "proxy": ["address": platform.gateway, "port": try await port()],
      "authority": try await platform.pcli("exec", "case-a", "--", "sh", "-c", "cat $NODE_EXTRA_CA_CERTS").output,
      "a": try await agent("case-a"), "b": try await agent("case-b"), "upstream": ["address": address, "folder": folder, "inside": inside],
      "names": [
        "allowed": "allowed.test", "other": "other.test", "denied": "evil.test",
        "special": ["private.inside.test", "loop.inside.test", "metadata.inside.test"],
      ],
      "secret": ["placeholder": "TOKEN_CASE", "value": canaries[0], "next": canaries[1], "foreign": "TOKEN_CASE_OF_B"],
      "contents": ["placeholder": "TOKEN_CONTENTS", "value": Self.contents],
      "audit": command + ["audit", "--component", "egress", "--all", "-o", "json"],
      "actions": [
        "kill": command + ["kill", "case-b", "--reason", "a case"], "unkill": command + ["unkill", "case-b"],
        "deny": command + ["apply", "-f", try policy()], "permit": command + ["delete", "egresspolicy/cases"],
        "rotate": rotation + ["token=@\(folder)/next"], "rotateBack": rotation + ["token=@\(folder)/value"],
        "restart": [
          "sh", "-c", #"set -e; "$0" --home "$1" down --keep-agents; "$0" --home "$1" up --config "$1/config.yaml""#, Checkout.pcli,
          platform.home,
        ],
        "create": command + ["create", "NAME", "--template", "shell"],
      ],
      "exec": command + ["exec", "case-a", "--"], "processes": try platform.processes().map(Int.init), "connectionLimit": 1024,
      "features": features,
    ]
    let input = String(decoding: try JSONSerialization.data(withJSONObject: target), as: UTF8.self)
    return try await run(Checkout.egressCases, ["run", "--target", "-"] + only, input: input, environment: ["PALANAD": Checkout.palanad])
  }

  private func proxy(_ agent: String) async throws -> URLComponents {
    let text = try await platform.pcli("exec", agent, "--", "sh", "-c", "echo $HTTPS_PROXY").output
    return try #require(URLComponents(string: text.trimmingCharacters(in: .whitespacesAndNewlines)))
  }

  private func port() async throws -> Int { try #require(try await proxy("case-a").port) }

  private func agent(_ name: String) async throws -> [String: Any] {
    let status = try await platform.pcli("get", "agents", name, "-o", "json").json()["status"]
    let folder = platform.home + "/run/netns"
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains(name) }
    return [
      "name": name, "token": try #require(try await proxy(name).password), "namespace": folder + "/" + (try #require(files.first)),
      "source": try #require(status["address"].string),
    ]
  }

  private func policy() throws -> String {
    let file = platform.home + "/case-policy.yaml"
    try """
    apiVersion: palana.dev/v1alpha1
    kind: EgressPolicy
    metadata: {name: cases}
    spec: {selector: {agents: [case-b]}, rules: [{host: other.test, ports: [18443], action: deny}]}
    """.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  /// After everything: the values stand in no log, database, event or dump, but for the store's own storage.
  func lookForCanaries() async throws {
    let pattern = folder + "/canaries"
    try canaries.joined(separator: "\n").write(toFile: pattern, atomically: true, encoding: .utf8)
    let files = try await run(
      "/usr/bin/find",
      [
        platform.home, "-xdev", "-path", platform.home + "/openbao/data", "-prune", "-o", "-type", "f", "-exec", "grep", "-laF", "-f",
        pattern, "{}", "+",
      ])
    #expect(files.output == "", "files of the home hold a canary")
    let audit = try await platform.pcli("audit", "--all", "-o", "json").output
    #expect(!canaries.contains { audit.contains($0) })
    #expect(try await platform.pcli("audit", "verify", expect: nil).code == 0)
  }
}
