import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaOperator

/// What counts as changed by others, and what is left alone.
@Suite struct ComparisonTests {
  private static func wanted(_ kind: KubernetesManifest.Kind, _ body: JSONObject) -> KubernetesManifest {
    KubernetesManifest(kind: kind, namespace: "n", name: "a", labels: ["x": "1"], body: body)
  }

  private static func actual(_ body: JSONObject, labels: JSONValue = ["x": "1", "theirs": "2"]) -> JSONValue {
    var object: JSONObject = ["metadata": ["name": "a", "labels": labels]]
    for (name, value) in body { object[name] = value }
    return .object(object)
  }

  @Test(
    "members that differ",
    arguments: [
      // The server's defaults and what others add are left alone,
      (.service, ["spec": ["type": "ClusterIP"]], ["spec": ["type": "ClusterIP", "clusterIP": "10.0.0.1"]], []),
      (.statefulSet, ["spec": ["a": [["b": 1]]]], ["spec": ["a": [["b": 1, "c": 2]]]], []),
      // but not where something is demanded to be absent,
      (.statefulSet, ["spec": ["hostNetwork": .null]], ["spec": ["hostNetwork": true]], ["spec.hostNetwork"]),
      (.statefulSet, ["spec": ["hostNetwork": .null]], ["spec": ["hostNetwork": false]], []),
      (.statefulSet, ["spec": ["runAsUser": .null]], ["spec": ["runAsUser": 0]], ["spec.runAsUser"]),
      (.statefulSet, ["spec": ["a": [1]]], ["spec": ["a": [1, 2]]], ["spec.a"]),
      (.statefulSet, ["spec": ["a": [1]]], [:], ["spec"]),
      // nor where more of it means more reach.
      (
        .networkPolicy, ["spec": ["podSelector": [:]]], ["spec": ["podSelector": ["matchLabels": ["x": "y"]]]],
        ["spec.podSelector.matchLabels"]
      ),
      (
        .networkPolicy, ["spec": ["egress": [["to": [["podSelector": [:]]]]]]],
        ["spec": ["egress": [["to": [["podSelector": [:], "namespaceSelector": [:]]]]]]], ["spec.egress[0].to[0].namespaceSelector"]
      ),
      (.networkPolicy, ["spec": ["podSelector": [:]]], ["spec": ["podSelector": [:], "egress": [[:]]]], ["spec.egress"]),
      (.networkPolicy, ["spec": ["podSelector": [:]]], ["spec": ["podSelector": [:], "egress": []]], []),
      (.role, ["rules": [["verbs": ["get"]]]], ["rules": [["verbs": ["get", "create"]]]], ["rules[0].verbs"]),
      (.role, ["rules": []], ["rules": [], "aggregationRule": ["x": 1]], ["aggregationRule"]),
      (.configMap, ["data": ["a": "1"]], ["data": ["a": "1", "b": "2"]], ["data.b"]),
    ] as [(KubernetesManifest.Kind, JSONObject, JSONObject, [String])])
  func differences(kind: KubernetesManifest.Kind, wanted: JSONObject, actual: JSONObject, paths: [String]) {
    let manifest = Self.wanted(kind, wanted)
    #expect(Comparison.differences(manifest, Self.actual(actual)) == paths)
    // What is merged is what is wanted, whatever was there.
    #expect(Comparison.differences(manifest, Comparison.merged(manifest, Self.actual(actual))) == [])
  }

  @Test("labels that are missing or changed")
  func labels() {
    #expect(Comparison.differences(Self.wanted(.service, [:]), Self.actual([:], labels: ["x": "2"])) == ["metadata.labels.x"])
    #expect(Comparison.differences(Self.wanted(.service, [:]), Self.actual([:], labels: [:])) == ["metadata.labels.x"])
    let merged = Comparison.merged(Self.wanted(.service, [:]), Self.actual([:], labels: ["y": "2"]))
    #expect(merged["metadata"]?["labels"] == ["x": "1", "y": "2"])
  }
}
