import PalanaCore

/// Who holds a lease (`coordination.k8s.io/v1`), as one of those who want it sees it. Pure.
///
/// The times in the lease are its holder's and not compared with ours: a lease is free when it has not changed for its duration on our
/// own clock. So clocks that differ do no harm, as long as they run at about the same speed.
struct LeaseState: Sendable {
  typealias Instant = ContinuousClock.Instant

  struct Record: Equatable, Sendable {
    var holder: String
    var duration: Duration
    var renewed: String
    var transitions: Int
    var resourceVersion: String

    init(_ object: KubeObject) {
      let spec = object["spec"]
      holder = spec?["holderIdentity"]?.string ?? ""
      duration = .seconds(max(1, spec?["leaseDurationSeconds"]?.int ?? 15))
      renewed = spec?["renewTime"]?.string ?? ""
      transitions = spec?["leaseTransitions"]?.int ?? 0
      resourceVersion = object.resourceVersion
    }
  }

  let identity: String
  private(set) var record: Record?
  private var observed: Instant?

  init(identity: String) { self.identity = identity }

  /// Takes in what the lease says now.
  mutating func observe(_ next: Record, now: Instant) {
    if record?.resourceVersion != next.resourceVersion { observed = now }
    record = next
  }

  enum Claim: Equatable, Sendable {
    /// Somebody else has it until then, unless they renew it.
    case wait(until: Instant)
    case take
    case renew
  }

  func claim(now: Instant) -> Claim {
    guard let record, let observed else { return .take }
    if record.holder == identity { return .renew }
    if record.holder.isEmpty { return .take }
    let end = observed + record.duration
    return now >= end ? .take : .wait(until: end)
  }

  /// The lease as it is to be written.
  func spec(_ claim: Claim, duration: Duration, acquired: String?, now: Timestamp) -> JSONValue {
    let changes = claim == .take && record != nil && record?.holder != identity
    return [
      "holderIdentity": .string(identity),
      "leaseDurationSeconds": .number(JSONNumber(max(1, duration.components.seconds))),
      "acquireTime": .string(claim == .renew ? acquired ?? now.description : now.description),
      "renewTime": .string(now.description),
      "leaseTransitions": .number(JSONNumber((record?.transitions ?? 0) + (changes ? 1 : 0))),
    ]
  }
}
