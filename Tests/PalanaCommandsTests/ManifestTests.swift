import Foundation
import PalanaCore
import PalanaManifests
import Testing

@testable import PalanaCommands

/// A number by its text; null, which no test expects, when the text is not one.
private func number(_ literal: String) -> JSONValue { JSONNumber(literal: literal).map(JSONValue.number) ?? .null }

@Suite("pcli: manifests")
struct ManifestTests {
  private func values(_ text: String) throws -> [JSONValue] {
    try ManifestDocument.parse(Array(text.utf8), file: "f.yaml").map(\.value)
  }

  @Test(
    "scalars mean what a person means",
    arguments: [
      ("a: 1", ["a": 1]), ("a: \"1\"", ["a": "1"]), ("a: '2'", ["a": "2"]), ("a: true", ["a": true]),
      ("a: yes", ["a": true]),
      ("a: 'yes'", ["a": "yes"]), ("a: ~", ["a": .null]), ("a:", ["a": .null]), ("a: 0x1F", ["a": 31]),
      ("a: 12:30", ["a": "12:30"]),
      ("a: 2026-11-21", ["a": "2026-11-21"]), ("a: 2Gi", ["a": "2Gi"]), ("a: 10m", ["a": "10m"]),
      ("a: 18446744073709551616", ["a": number("18446744073709551616")]),
      ("a: |\n  x\n  y\n", ["a": "x\ny\n"]), ("a: &x {b: 1}\nc: *x", ["a": ["b": 1], "c": ["b": 1]]),
      ("a: &x {b: 1, d: 2}\nc:\n  <<: *x\n  b: 3", ["a": ["b": 1, "d": 2], "c": ["b": 3, "d": 2]]),
      ("{\"a\": [1, null]}", ["a": [1, .null]]),
    ] as [(String, JSONValue)])
  func scalars(_ text: String, _ expected: JSONValue) throws {
    #expect(try values(text) == [expected])
  }

  @Test("documents are separated, empty ones left out")
  func documents() throws {
    #expect(try values("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n") == [["a": 1], ["b": 2]])
  }

  @Test(
    "what YAML cannot be says where",
    arguments: [
      ("a: [1", "f.yaml, line"), ("a: 1\na: 2", "f.yaml, line"), ("a: !!binary aGk=", "f.yaml, line 1"),
      ("a: .inf", "f.yaml, line 1"),
      ("a: 1\n b: 2", "f.yaml, line 2"), ("\u{1}", "f.yaml"), ("? [a]\n: 1", "f.yaml, line 1"),
    ])
  func malformed(_ text: String, _ place: String) {
    let error = #expect(throws: PalanaError.self) { try values(text) }
    #expect(error?.message.hasPrefix(place) == true, "\(error?.message ?? "")")
  }

  @Test("aliases that stand for each other many times are refused, quickly")
  func laughs() {
    var text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    for level in 1...12 {
      text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",") + "]\n"
    }
    let error = #expect(throws: PalanaError.self) { try values(text) }
    #expect(error?.message.contains("too large") == true)
  }

  static let hard: [JSONValue] = [
    "", "yes", "No", "y", "null", "~", "1", "1.0", "1e5", "0x1f", "0o17", "017", "1_000", "12:30:45", "2026-11-21", "=",
    "<<", "-", "- a", "a: b",
    "#x", " lead", "trail ", "tab\t", "line\nbreak", "line\nbreak\n\n", "\n", "'", "\"", "\\", "*a", "&a", "!x", "%x",
    "@x", "`x", "{", "[", "?", ":", "|", ">",
    "\u{1b}[0m", "\u{7f}", "\u{85}", "\u{2028}", "é漢👍", "true", 0, -5, number("1.10"),
    number("1e5"),
    number("1.5E-7"), number("18446744073709551615"), true, false, .null,
    [], [:], [[], [:], [[1]]],
    ["": "x", "a.b": 1, "yes": true, "1": 2], ["a": ["b": ["c": "d"]]],
  ]

  @Test("what is written is read back the same", arguments: hard.indices)
  func roundTrip(_ index: Int) throws {
    let value: JSONValue = ["v": Self.hard[index], "list": [Self.hard[index]]]
    let yaml = try YAMLText.document(value)
    let back = try #require(try values(yaml).first)
    // A number may be spelled otherwise, its value may not differ.
    if case .number(let number) = Self.hard[index], case .number(let read)? = back["v"] {
      #expect(read.double == number.double, "\(yaml)")
    } else {
      #expect(back == value, "\(yaml)")
    }
    #expect(try JSONValue(parsing: Array(JSONText.pretty(value).utf8)) == value)
    #expect(try JSONValue(parsing: Array(JSONText.compact(value).utf8)) == value)
  }

  private static let agent = """
    apiVersion: palana.dev/v1alpha1
    kind: Agent
    metadata: {name: demo}
    spec:
      template: python
      resources:
        cpu: "2"
        memory: 2Gi
    """

  @Test("apply sends every document, the ones that others refer to first")
  func apply() async throws {
    let folder = try TemporaryFolder()
    let rule =
      "apiVersion: palana.dev/v1alpha1\nkind: PeeringRule\nmetadata: {name: p}\nspec: {from: demo, to: web, ports: [80]}\n"
    let template =
      "apiVersion: palana.dev/v1alpha1\nkind: AgentTemplate\nmetadata: {name: python}\nspec: {image: host, command: [sh]}\n"
    _ = try folder.write("a.yaml", rule + "---\n" + Self.agent)
    _ = try folder.write("b.yml", template)
    _ = try folder.write("note.txt", "not: [a manifest")
    let answers = ["POST /v1/apply": #"{"action":"created","resource":{}}"#]
    let result = try await CommandRunner.run(["apply", "-f", folder.path], answers: answers)
    #expect(result.code == 0, "\(result.error)")
    #expect(result.output == "template/python created\nagent/demo created\npeeringrule/p created\n")
    let input = try await CommandRunner.run(
      ["apply", "-f", "-", "-o", "json"], input: Array(Self.agent.utf8), answers: answers)
    #expect(try JSONValue(parsing: Array(input.output.utf8)) == ["items": [["action": "created", "resource": [:]]]])
    #expect(
      try JSONValue(parsing: try #require(input.requests.first).body)["spec"]
        == ["template": "python", "resources": ["cpu": "2", "memory": "2Gi"]])
  }

  @Test("get -o yaml and -o json can be given back")
  func giveBack() async throws {
    for (line, answers) in [
      (["get", "agents", "-o", "yaml"], ["GET /v1/agents": Fixtures.agents]),
      (["get", "agent", "demo", "-o", "yaml"], ["GET /v1/agents/demo": Fixtures.agent]),
      (["get", "agents", "-o", "json"], ["GET /v1/agents": Fixtures.agents]),
    ] {
      let printed = try await CommandRunner.run(line, answers: answers)
      let folder = try TemporaryFolder()
      let file = try folder.write("back.yaml", printed.output)
      let result = try await CommandRunner.run(
        ["apply", "-f", file], answers: ["POST /v1/apply": #"{"action":"unchanged","resource":{}}"#])
      #expect(result.code == 0, "\(result.error)")
      #expect(result.requests.count == (line[1] == "agents" ? 3 : 1))
      let sent = try JSONValue(parsing: try #require(result.requests.first).body)
      let original = try JSONValue(parsing: Array(Fixtures.agent.utf8))
      #expect(sent["spec"] == original["spec"])
      #expect(sent["metadata"] == ["name": "demo", "labels": ["team": "core"]])
      #expect(sent["status"] == nil)
    }
  }

  @Test(
    "errors name file, document, line and field, and nothing is sent",
    arguments: [
      ("memory: 2Gi", "memory: lots", "line 8"), ("template: python", "tmplate: python", "line 5"),
      ("kind: Agent", "kind: Pod", "line 2"),
      ("{name: demo}", "{name: Demo}", "line 3"), ("cpu: \"2\"", "cpu: [2]", "line 7"),
    ])
  func located(_ good: String, _ bad: String, _ line: String) async throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("m.yaml", Self.agent.replacing(good, with: bad))
    let result = try await CommandRunner.run(["apply", "-f", file], answers: [:])
    #expect(result.code == 2)
    #expect(result.requests.isEmpty)
    #expect(result.error.contains("\(file), \(line): "), "\(result.error)")
    let second = try folder.write("n.yaml", Self.agent + "\n---\n" + Self.agent.replacing(good, with: bad))
    let other = try await CommandRunner.run(["apply", "-f", second], answers: [:])
    #expect(other.error.contains("document 2"), "\(other.error)")
  }

  @Test("files that are missing, empty or no text", arguments: ["none", "empty", "binary", "dir"])
  func files(_ name: String) async throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("empty", "\n# nothing\n")
    try Data([0xff, 0x00]).write(to: URL(filePath: folder.path + "/binary"))
    try FileManager.default.createDirectory(atPath: folder.path + "/dir", withIntermediateDirectories: false)
    let result = try await CommandRunner.run(["apply", "-f", folder.path + "/" + name], answers: [:])
    #expect(result.code == (name == "none" ? 3 : 2), "\(result.error)")
  }
}
