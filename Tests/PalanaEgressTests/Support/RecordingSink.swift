import PalanaAudit
import Synchronization

/// Keeps every event in memory; can be told to fail.
final class RecordingSink: AuditSink {
  private struct State {
    var events: [AuditEvent] = []
    var fails = false
    var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }

  private let state = Mutex(State())

  var events: [AuditEvent] { state.withLock { $0.events } }
  func setFails(_ fails: Bool) { state.withLock { $0.fails = fails } }

  func record(_ event: AuditEvent) throws(AuditUnavailable) {
    let ready = state.withLock { state -> [CheckedContinuation<Void, Never>]? in
      guard !state.fails else { return nil }
      state.events.append(event)
      let count = state.events.count
      let ready = state.waiters.filter { $0.count <= count }.map(\.continuation)
      state.waiters.removeAll { $0.count <= count }
      return ready
    }
    guard let ready else { throw AuditUnavailable("the test says so") }
    for continuation in ready { continuation.resume() }
  }

  /// The events, once there are `count` of them.
  func events(_ count: Int) async -> [AuditEvent] {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state -> Bool in
        if state.events.count >= count { return true }
        state.waiters.append((count, continuation))
        return false
      }
      if isThere { continuation.resume() }
    }
    return events
  }

  /// Everything that was written down, as text, to look for what must not be there.
  var text: String {
    var bytes: [UInt8] = []
    for event in events { AuditEncoder.encode(event, into: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
