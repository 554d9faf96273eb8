import PalanaCore
import PalanaKube
import PalanaPlan

/// What is decided about namespaces: that of an agent is made and labelled by the operator only, as policies, rights and secrets follow
/// its labels.
struct NamespaceJudge: Sendable {
  var parties: Parties

  func check(_ request: AdmissionRequest) throws(AdmissionRefusal) {
    guard request.operation != .delete, let object = request.object else { return }
    let role = parties.role(of: request.requester)
    guard role != .engine else { return }
    let isAgents = Self.isAgents(request.key.name, object) || request.oldObject.map { Self.isAgents(request.key.name, $0) } ?? false
    let changes = TrustedMetadata.changes(from: request.oldObject, to: object)
    if isAgents {
      let labels = ExactText.isSame(request.oldObject?["metadata"]?["labels"], object["metadata"]?["labels"])
      guard request.operation == .update, changes.isEmpty, labels else {
        throw .forbidden("the namespace ‘\(request.key.name.prefix(63))’ is an agent’s: only the operator makes and labels it")
      }
    } else if role == .person || role == .reaper, let change = changes.first {
      throw .forbidden("metadata.\(change): only the platform and its administrators set this")
    }
  }

  /// By its name or by what it says of itself.
  static func isAgents(_ name: String, _ namespace: JSONValue) -> Bool {
    if namespace["metadata"]?["labels"]?[AgentLabels.agentID] != nil { return true }
    return AgentNamespace.isOne(name)
  }
}
