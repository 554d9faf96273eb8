import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// Bounds the events about resolved names: the first question for a name is written down at once, the further ones of ten seconds
/// become one event that counts them. Each agent has its own room, so that none hides another one's names.
struct ResolutionLog {
  /// What happened to one question.
  struct Note {
    var agent: AuditEvent.AgentRef
    var source: AuditEvent.Source
    /// Nil: no name that a host can have, or one that was not looked at.
    var host: CanonicalHost?
    var type: UInt16
    /// Nil: allowed.
    var denial: DenialReason?
    var rule: String?
    var policyVersion: String?
  }

  private struct Key: Hashable {
    var host: CanonicalHost?
    var denial: DenialReason?
  }

  private struct Window {
    var since: NIODeadline
    /// Further questions after the first.
    var counts: [Key: (note: Note, count: Int)] = [:]
  }

  private static let length: TimeAmount = .seconds(10)
  /// Names of one agent that are told apart within a window; the rest is counted together.
  static let mostNames = 64

  private var windows: [AgentID: Window] = [:]

  /// - Returns: an event to be written now.
  mutating func add(_ note: Note, now: NIODeadline, clock: WallClock, id: String) -> AuditEvent? {
    var note = note
    var window = windows[note.agent.id] ?? Window(since: now)
    var key = Key(host: note.host, denial: note.denial)
    if window.counts[key] == nil, window.counts.count >= Self.mostNames {
      note.host = nil
      key.host = nil
    }
    let isFirst = window.counts[key] == nil
    window.counts[key] = (note, isFirst ? 0 : (window.counts[key]?.count ?? 0) + 1)
    windows[note.agent.id] = window
    return isFirst ? Self.event(note, count: 1, clock: clock, id: id) : nil
  }

  /// The events whose window is over by `now`.
  mutating func due(_ now: NIODeadline, clock: WallClock, id: () -> String) -> [AuditEvent] {
    guard !windows.isEmpty else { return [] }
    var events: [AuditEvent] = []
    for (agent, window) in windows where now == .distantFuture || window.since + Self.length <= now {
      windows[agent] = nil
      for (note, count) in window.counts.values where count > 0 {
        events.append(Self.event(note, count: count, clock: clock, id: id()))
      }
    }
    return events
  }

  private static func event(_ note: Note, count: Int, clock: WallClock, id: String) -> AuditEvent {
    AuditEvent(
      time: clock.now(), component: .egress, action: "resolve", decision: note.denial == nil ? .allow : .deny,
      reason: note.denial?.rawValue, rule: note.rule, policyVersion: note.policyVersion, agent: note.agent,
      source: note.source, request: AuditEvent.Request(id: id, host: note.host?.description, protocol: "dns"),
      details: count == 1 ? ["type": DNSType.name(note.type)] : ["questions": String(count)])
  }
}
