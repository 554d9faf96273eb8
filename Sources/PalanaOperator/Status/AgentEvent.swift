package import PalanaCore
package import PalanaKube

/// What `kubectl describe agent` shows at its end (`events.k8s.io/v1`).
package struct AgentEvent: Sendable {
  package enum Kind: String, Sendable { case normal = "Normal", warning = "Warning" }

  package static let resource = KubeResource("events.k8s.io", "v1", "events", kind: "Event")

  /// Of the `Agent`.
  var namespace: String
  var name: String
  var uid: String
  var type: Kind
  var reason: String
  var note: String
  /// Which program says so, and which of its processes.
  var reporter: String
  var instance: String

  package init(
    namespace: String, name: String, uid: String, type: Kind, reason: String, note: String, reporter: String, instance: String
  ) {
    self.namespace = namespace
    self.name = name
    self.uid = uid
    self.type = type
    self.reason = reason
    self.note = note
    self.reporter = reporter
    self.instance = instance
  }

  package func object(at time: Timestamp) -> KubeObject {
    var event = KubeObject(Self.resource, namespace: namespace, name: "\(name).\(RandomToken.hex(bytes: 8))")
    event["eventTime"] = .string(time.description)
    event["reportingController"] = .string(reporter)
    event["reportingInstance"] = .string(String(instance.prefix(128)))
    event["action"] = "Reconcile"
    event["reason"] = .string(reason)
    event["note"] = .string(String(note.prefix(1_000)))
    event["type"] = .string(type.rawValue)
    event["regarding"] = [
      "apiVersion": .string(ClusterKinds.agents.apiVersion), "kind": .string(ClusterKinds.agents.kind),
      "namespace": .string(namespace), "name": .string(name), "uid": .string(uid),
    ]
    return event
  }
}
