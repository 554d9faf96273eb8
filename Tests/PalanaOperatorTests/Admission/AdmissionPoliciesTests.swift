import Foundation
import PalanaCore
import PalanaKube
import PalanaManifests
import Testing

@testable import PalanaOperator

/// What `palanad admission` prints, read in review. `PALANA_RECORD_GOLDEN=1` writes it anew and fails.
@Suite struct AdmissionPoliciesTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Golden")

  private func compare(_ name: String, _ text: String) throws {
    let url = Self.folder.appending(path: name)
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try text.write(to: url, atomically: true, encoding: .utf8)
      Issue.record("recorded \(name)")
      return
    }
    #expect(text == (try String(contentsOf: url, encoding: .utf8)), "\(name)")
  }

  @Test func policies() throws {
    let parties = Parties(
      administrators: [try UserIdentity("o'root \"x\"@example.com")], administratorGroups: ["system:masters", "platform"])
    try compare("policies.yaml", try YAMLText.documents(AdmissionPolicies(parties).all))
  }

  @Test func webhooks() throws {
    var configuration = try AdmissionBench.configuration(port: 1)
    configuration.reach = .service(namespace: "palana-system", name: "palana-webhooks", port: 443)
    let hooks = WebhookConfigurations(configuration: configuration, bundle: "PEM\n")
    try compare("webhooks.yaml", try YAMLText.documents([hooks.mutating.json, hooks.validating.json]))
  }

  @Test func onlyAgentsNamespacesAndOurKindsWaitForTheWebhooks() throws {
    let hooks = WebhookConfigurations(configuration: try AdmissionBench.configuration(port: 1), bundle: "")
    for hook in (hooks.mutating["webhooks"]?.array ?? []) + (hooks.validating["webhooks"]?.array ?? []) {
      #expect(hook["timeoutSeconds"] == 5 && hook["sideEffects"] == "None")
      let groups = Set(hook["rules"]?.array?.flatMap { $0["apiGroups"]?.array ?? [] } ?? [])
      if groups == ["palana.dev"] { continue }
      let isNamespace = hook["rules"]?[0]?["resources"] == ["namespaces"]
      #expect(
        hook["namespaceSelector"] == WebhookConfigurations.agentNamespaces || isNamespace && hook["matchConditions"]?.array?.count == 2)
    }
  }

  @Test(arguments: [
    ("https://127.0.0.1:9443", ["127.0.0.1"]), ("https://[::1]:9443", ["::1"]), ("https://hooks.example.com", ["hooks.example.com"]),
  ])
  func theCertificateHasTheNameOfTheURL(_ url: String, _ names: [String]) {
    #expect(AdmissionConfiguration.Reach.url(url).names == names)
  }

  @Test func everyDifferenceIsADrift() throws {
    let wanted = WebhookConfigurations(configuration: try AdmissionBench.configuration(port: 1), bundle: "x").validating
    #expect(RegistrationKeeper.differences(wanted, wanted) == [])
    for (path, value) in [
      ("webhooks[0].failurePolicy", "Ignore"), ("webhooks[0].namespaceSelector", ["matchLabels": ["no": "where"]]),
      ("webhooks[0].clientConfig.caBundle", "eQ=="), ("webhooks[0].rules[0].operations", ["DELETE"]),
      ("webhooks[0].matchConditions", [["name": "never", "expression": "false"]]), ("webhooks[0].timeoutSeconds", 1), ("webhooks", []),
      ("metadata.labels", [:]),
    ] as [(String, JSONValue)] {
      let changed = KubeObject(wanted.json.setting(path, value))
      #expect(RegistrationKeeper.differences(wanted, changed) != [], "\(path)")
      #expect(RegistrationKeeper.differences(wanted, RegistrationKeeper.merged(wanted, changed)) == [], "\(path)")
    }
  }
}
