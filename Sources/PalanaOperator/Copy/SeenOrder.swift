import PalanaAPI
import PalanaCore
import PalanaKube

/// A `KillOrder` as the cluster has it, also one that cannot be read.
struct SeenOrder: Sendable, Hashable {
  var key: ObjectKey
  var uid: String
  var isDeleting: Bool
  /// nil: it cannot be read.
  var spec: KillOrderSpec?
  /// What the operator has said in it.
  var entries: [KillOrderStatus.Entry]

  init(_ object: KubeObject) {
    key = object.key
    uid = object.uid
    isDeleting = object.isDeleting
    var wanted = object
    wanted["status"] = nil
    if let order = try? StrictDecoder.decode(KillOrder.self, from: wanted.json, passesUnknown: true), order.validate().isEmpty {
      spec = order.spec
    }
    let status = object["status"].flatMap { try? StrictDecoder.decode(KillOrderStatus.self, from: $0, passesUnknown: true) }
    entries = (status?.planes ?? []).filter { $0.by == OperatorName.inOrders }
  }

  /// What the operator cuts for it. Containment fails closed: an order that cannot be read ends processes too.
  var planes: [KillOrderStatus.Plane] { [.network, .credentials] + (stops ? [.compute] : []) }

  var stops: Bool { spec?.stops ?? true }

  /// Whether it keeps the agent cut off: one that cannot be read is about everybody, and one for a template about every agent that does
  /// not say which it has.
  func covers(_ seen: SeenAgent) -> Bool {
    guard let target = spec?.target else { return true }
    if case .success(let agent) = seen.content { return target.covers(agent) }
    guard let identity = seen.identity else { return true }
    return switch target {
    case .agent(let id): id == identity.id
    case .owner(let owner): owner == identity.owner
    case .template, .all: true
    }
  }
}
