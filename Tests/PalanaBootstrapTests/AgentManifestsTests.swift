import PalanaCore
import PalanaLocal
import Testing

@testable import PalanaBootstrap

/// The folder of manifests that `palanad gateway` runs from.
@Suite struct AgentManifestsTests {
  static let agent = """
    apiVersion: palana.dev/v1alpha1
    kind: Agent
    metadata: {name: demo, uid: u-1}
    spec:
      owner: alice@example.com
      egress: {rules: [{host: api.example.com}]}
    status: {phase: Running, address: 10.1.2.3}
    """
  private static let binding = """
    apiVersion: palana.dev/v1alpha1
    kind: SecretBinding
    metadata: {name: demo-pat}
    spec: {owner: alice@example.com, agent: demo, secret: PAT, access: proxy-only, keys: [{key: token, placeholder: TOKEN_PAT, variable: PAT}], hosts: [api.example.com], places: [], revision: 1}
    """
  private static let order = """
    apiVersion: palana.dev/v1alpha1
    kind: KillOrder
    metadata: {name: all}
    spec: {target: {all: true}, reason: drill, by: root, at: "2026-01-01T00:00:00Z"}
    """

  private func read(_ texts: String...) throws(PalanaError) -> AgentManifests {
    try AgentManifests(texts.enumerated().map { ManifestFile(path: "/m/\($0).yaml", bytes: Array($1.utf8)) })
  }

  @Test func everyKindThatDecidesIsRead() throws {
    let manifests = try read(Self.agent + "\n---\n" + Self.binding, Self.order)
    #expect(manifests.live.values.map(\.address.description) == ["10.1.2.3"])
    #expect(manifests.inputs.bindings.count == 1)
    #expect(manifests.inputs.killed == Set(manifests.live.keys))
  }

  @Test func whoDoesNotRunIsNotServed() throws {
    #expect(try read(Self.agent.replacing("phase: Running", with: "phase: Stopped")).live.isEmpty)
    #expect(try read(Self.agent.replacing("status: {phase: Running, address: 10.1.2.3}", with: "")).live.isEmpty)
  }

  @Test func whatIsWrongIsNamed() {
    let cases = [
      ([Self.agent.replacing(", uid: u-1", with: "")], "/m/0.yaml, line 3: metadata.uid"),
      ([Self.agent.replacing("  owner: alice@example.com\n", with: "")], "spec.owner: required"),
      ([Self.agent, Self.agent.replacing("u-1", with: "u-2")], "another Agent ‘demo’"),
      ([Self.agent, Self.agent.replacing("name: demo", with: "name: twin")], "same address"),
      ([Self.agent.replacing("host:", with: "hosts:")], "/m/0.yaml, line"),
      (["kind: Nonsense"], "Nonsense"), (["["], "/m/0.yaml, line"),
      ([Self.binding.replacing("proxy-only", with: "public")], "spec.access"),
    ]
    for (texts, expected) in cases {
      let files = texts.enumerated().map { ManifestFile(path: "/m/\($0).yaml", bytes: Array($1.utf8)) }
      let error = #expect(throws: PalanaError.self) { try AgentManifests(files) }
      #expect(error?.message.contains(expected) == true, "\(expected): \(error?.message ?? "")")
    }
  }
}
