import PalanaAPI
import PalanaCore

/// What is decided about objects of the installation: templates and egress policies, bindings of secrets, kill orders.
struct PlatformKindsJudge: Sendable {
  var parties: Parties

  /// A template or a policy is about the agents of others; a binding says where a secret may go.
  func check<Spec: ResourceSpec>(_ request: AdmissionRequest, as type: Resource<Spec>.Type) throws(AdmissionRefusal) {
    let role = parties.role(of: request.requester)
    if let old = request.oldObject, let object = request.object, ExactText.isSame(old["spec"], object["spec"]) {
      return try TrustedMetadata.check(from: old, to: object, by: role)
    }
    // Of a namespace that goes, everything goes; and without a binding a secret goes nowhere.
    if request.operation == .delete, Spec.isOwned { return }
    guard [.administrator, .engine, .control].contains(role) else {
      throw .forbidden(
        Spec.isOwned
          ? "a \(Spec.kind) is written by the platform, as it says where a secret may go: use pcli secrets"
          : "a \(Spec.kind) is about the agents of everybody: only platform administrators write it")
    }
    if let object = request.object { _ = try WrittenResource.read(object, old: request.oldObject, as: type) }
  }

  // MARK: Kill orders

  /// Who gives the order, and when, if it does not say.
  func completed(_ request: AdmissionRequest, now: Timestamp) -> JSONValue? {
    guard request.operation == .create, let object = request.object, var members = object.object, var spec = object["spec"]?.object else {
      return request.object
    }
    if spec["by"] == nil || spec["by"] == .null { spec["by"] = .string(request.requester.user) }
    if spec["at"] == nil || spec["at"] == .null { spec["at"] = .string(now.description) }
    members["spec"] = .object(spec)
    return .object(members)
  }

  /// Containment is easy to order and hard to take back.
  func checkOrder(_ request: AdmissionRequest) throws(AdmissionRefusal) {
    let role = parties.role(of: request.requester)
    switch request.operation {
    case .delete:
      guard role == .administrator || role == .engine || role == .control else {
        throw .forbidden("a kill order is taken back by platform administrators only")
      }
    case .update:
      guard ExactText.isSame(request.oldObject?["spec"], request.object?["spec"]) else {
        throw .forbidden("spec: a kill order does not change; delete it and give another one")
      }
      try TrustedMetadata.check(from: request.oldObject, to: request.object, by: role)
    case .create:
      guard let object = request.object else { throw .forbidden("there is no object") }
      let order = try WrittenResource.read(object, old: nil, as: KillOrder.self)
      if role == .engine || role == .control { return }
      guard ExactText.isSame(order.spec.by.raw, request.requester.user) else {
        throw .forbidden("spec.by: ‘\(order.spec.by)’ is not you, ‘\(request.requester.user.prefix(254))’")
      }
      if role != .administrator { try checkScope(order.spec.target, of: order.spec.by) }
      try TrustedMetadata.check(from: nil, to: object, by: role)
    case .connect: return
    }
  }

  /// A person cuts off what is theirs.
  private func checkScope(_ target: KillOrderSpec.Target, of user: UserIdentity) throws(AdmissionRefusal) {
    switch target {
    case .owner(user): return
    case .agent(let id):
      // The identifier begins with the name, and its digits are of owner and name.
      let own = (try? ResourceName(String(id.text.dropLast(11)))).map { AgentID(owner: user, name: $0) }
      if own == id { return }
    case .owner, .template, .all: break
    }
    throw .forbidden("spec.target: you may cut off your own agents; everything else is for platform administrators")
  }
}
