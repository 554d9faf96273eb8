import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// Bounds the events about connections that were closed at once: the first of a source is written down immediately, the
/// further ones of ten seconds become one event that counts them.
struct RefusalLog {
  struct Refusal: Hashable {
    var ip: IPAddress
    var port: Int
    var reason: DenialReason
    var agent: AuditEvent.AgentRef?
  }

  private struct Key: Hashable {
    var ip: IPAddress
    var reason: DenialReason
  }

  private struct Entry {
    var refusal: Refusal
    var since: NIODeadline
    var count = 0
  }

  private static let window: TimeAmount = .seconds(10)
  /// Sources that are told apart; the rest is counted together.
  private static let most = 256
  private static let others = IPAddress.v4(0)

  private var entries: [Key: Entry] = [:]

  /// - Returns: an event to be written now.
  mutating func add(_ refusal: Refusal, now: NIODeadline, clock: WallClock) -> AuditEvent? {
    var refusal = refusal
    var key = Key(ip: refusal.ip, reason: refusal.reason)
    if entries[key] == nil, entries.count >= Self.most {
      key.ip = Self.others
      refusal.ip = Self.others
      refusal.agent = nil
    }
    if entries[key] != nil {
      entries[key]?.count += 1
      return nil
    }
    entries[key] = Entry(refusal: refusal, since: now)
    return Self.event(refusal, count: 1, clock: clock)
  }

  /// The events whose window is over by `now`.
  mutating func due(_ now: NIODeadline, clock: WallClock) -> [AuditEvent] {
    guard !entries.isEmpty else { return [] }
    var events: [AuditEvent] = []
    for (key, entry) in entries where now == .distantFuture || entry.since + Self.window <= now {
      entries[key] = nil
      if entry.count > 0 { events.append(Self.event(entry.refusal, count: entry.count, clock: clock)) }
    }
    return events
  }

  private static func event(_ refusal: Refusal, count: Int, clock: WallClock) -> AuditEvent {
    AuditEvent(
      time: clock.now(), component: .egress, action: "connection", decision: .deny, reason: refusal.reason.rawValue,
      agent: refusal.agent, source: AuditEvent.Source(ip: refusal.ip, port: refusal.port),
      details: count == 1 ? [:] : ["connections": String(count)])
  }
}
