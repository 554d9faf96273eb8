import Foundation
import PalanaAPI
import PalanaCore
import Testing
import Yams

@testable import PalanaPlan

/// `NAME.in.yaml` → `NAME.plan.json` and `NAME.oci.json`, read in review. `PALANA_RECORD_GOLDEN=1` writes them anew and
/// fails.
@Suite("plan and OCI renderer")
struct PlanGoldenTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "PlanGolden")

  /// What a golden input holds.
  struct Input: Decodable {
    struct Binding: Decodable {
      var metadata: ObjectMeta
      var spec: SecretBindingSpec
    }
    var agent: Agent
    var template: AgentTemplate?
    var bindings: [Binding]
    var allocation: Allocation
    var gateway: IPAddress?
    var llm: PlatformFacts.LLM?
    var image: ImageConfiguration?
    var user: OCIProcess.User?

    func plan() throws -> AgentPlan {
      try Planner.plan(
        agent: agent, template: template,
        bindings: bindings.map { SecretBinding(metadata: $0.metadata, spec: $0.spec) },
        allocation: allocation,
        platform: PlatformFacts(gateway: gateway ?? .v4(0x0a4d_0001), prefix: 16, proxyPort: 3128, llm: llm))
    }

    var facts: OCIFacts {
      OCIFacts(
        rootfs: "/run/palana/x/bundle/rootfs", image: image, user: user ?? .init(uid: 1000, gid: 1000),
        initFolder: "/var/lib/palana/sandbox/tools", data: "/run/palana/x/bundle/data",
        secrets: "/run/palana/x/bundle/secrets",
        binds: image == nil ? [.init(source: "/usr", destination: "/usr")] : [],
        hidden: image == nil ? ["/usr/local/etc"] : [],
        userNamespace: "/run/palana/x/bundle/userns", networkNamespace: "/run/palana/netns/n1", cgroup: "palana/demo",
        seccomp: "QlBG", swapAccounting: image == nil)
    }
  }

  static func input(_ name: String) throws -> Input {
    try YAMLDecoder().decode(
      Input.self, from: String(contentsOf: folder.appending(path: "\(name).in.yaml"), encoding: .utf8))
  }

  private static func compare(_ value: some Encodable, _ file: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    let url = folder.appending(path: file)
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try text.write(to: url, atomically: true, encoding: .utf8)
      Issue.record("recorded \(file)")
      return
    }
    #expect(text == (try String(contentsOf: url, encoding: .utf8)), "\(file)")
  }

  @Test("the recorded plan and specification", arguments: ["minimal", "full", "image", "image-command"])
  func golden(name: String) throws {
    let input = try Self.input(name)
    let plan = try input.plan()
    try Self.compare(plan, "\(name).plan.json")
    try Self.compare(try OCIRenderer.render(plan, input.facts), "\(name).oci.json")
  }

  @Test("the same input gives the same bytes, and they read back")
  func deterministic() throws {
    let input = try Self.input("full")
    let spec = try OCIRenderer.render(try input.plan(), input.facts)
    let bytes = try spec.markedJSON()
    #expect(bytes == (try spec.markedJSON()))
    #expect(try JSONDecoder().decode(OCISpec.self, from: Data(bytes)) == spec)
  }

  @Test("the token is in the final JSON only, and only a plain one")
  func token() throws {
    let input = try Self.input("minimal")
    let spec = try OCIRenderer.render(try input.plan(), input.facts)
    #expect(!String(decoding: try spec.markedJSON(), as: UTF8.self).contains("s3cret"))
    let filled = try spec.json(proxyToken: Redacted("s3cret-token"))
    let text = String(decoding: filled.reveal(), as: UTF8.self)
    #expect(text.contains("HTTPS_PROXY=http://demo:s3cret-token@10.77.0.1:3128"))
    #expect(!text.contains(AgentEnvironment.proxyTokenMark))
    for bad in ["", "a@b", "a b", "a/b", "a\"b", "é"] {
      #expect(throws: PalanaError.self) { try spec.json(proxyToken: Redacted(bad)) }
    }
  }

  @Test("what cannot be planned is refused with the reason")
  func refusals() throws {
    var input = try Self.input("minimal")
    input.agent.spec.owner = nil
    #expect { try input.plan() } throws: { ($0 as? PalanaError)?.message.contains("owner") == true }
    input = try Self.input("minimal")
    input.template?.spec.command = nil
    #expect { try input.plan() } throws: { ($0 as? PalanaError)?.message.contains("command") == true }
  }

  @Test("an agent is never user or group 0, and an image without a command needs one")
  func renderRefusals() throws {
    let input = try Self.input("image")
    let plan = try input.plan()
    for user in [OCIProcess.User(uid: 0, gid: 5), OCIProcess.User(uid: 5, gid: 0)] {
      var facts = input.facts
      facts.user = user
      #expect(throws: PalanaError.self) { try OCIRenderer.render(plan, facts) }
    }
    var facts = input.facts
    facts.image = ImageConfiguration()
    #expect { try OCIRenderer.render(plan, facts) } throws: {
      ($0 as? PalanaError)?.message.contains("command") == true
    }
  }

  @Test("a command in a sandbox is never root, keeps the filter's switch, and cannot bend its environment")
  func commands() throws {
    let input = try Self.input("full")
    let process = try OCIRenderer.render(try input.plan(), input.facts).process
    let command = try process.command(
      ExecRequest(
        command: ["id"], terminal: .init(rows: 0, columns: 1 << 20), env: ["LOG_LEVEL": "x"], workingDirectory: "/tmp"))
    #expect(command.user.uid == 1000)
    #expect(command.noNewPrivileges)
    #expect(command.capabilities == OCIProcess.Capabilities())
    #expect(command.args == ["id"])
    #expect(command.consoleSize == .init(height: 1, width: 65_535))
    #expect(command.env.filter { $0.hasPrefix("LOG_LEVEL=") } == ["LOG_LEVEL=x"])
    #expect(command.env.contains("TERM=xterm-256color"))
    #expect(command.cwd == "/tmp")
    #expect(try process.command(ExecRequest(command: [])).args.first == "/bin/sh")
    for bad in [ExecRequest(command: ["id"], env: ["A=B": "x"]), ExecRequest(command: ["id"], workingDirectory: "tmp")] {
      #expect(throws: PalanaError.self) { try process.command(bad) }
    }
  }
}
