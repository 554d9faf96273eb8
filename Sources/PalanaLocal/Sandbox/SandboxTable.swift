import PalanaCore
import Synchronization

/// What is known of all sandboxes, in memory: their states, the processes behind them, and who waits for an end.
final class SandboxTable: Sendable {
  /// The processes of a sandbox that runs.
  struct Live: Sendable {
    var running: RunningSandbox
    /// Process 1 of the sandbox; nil: it has ended already.
    var process: ProcessHandle?
    var shim: ProcessHandle
  }

  private struct Entry {
    var state: SandboxState = .absent
    var live: Live?
    /// Somebody starts or removes it.
    var isBusy = false
    var waiters: [Int: AsyncStream<SandboxExit>.Continuation] = [:]
  }

  private struct Contents {
    var entries: [AgentID: Entry] = [:]
    var listeners: [Int: AsyncStream<SandboxExit>.Continuation] = [:]
    var next = 0
  }

  private let contents = Mutex(Contents())

  func state(of id: AgentID) -> SandboxState { contents.withLock { $0.entries[id]?.state ?? .absent } }
  func live(_ id: AgentID) -> Live? { contents.withLock { $0.entries[id]?.live } }

  func all() -> [AgentID: SandboxState] {
    contents.withLock { contents in
      contents.entries.compactMapValues { $0.state == .absent ? nil : $0.state }
    }
  }

  /// Claims the agent for a start or a removal.
  /// - Throws: `conflict` when it runs or is claimed already.
  func claim(_ id: AgentID) throws(PalanaError) {
    let refusal: String? = contents.withLock { contents in
      if contents.entries[id]?.live != nil { return "it runs" }
      if contents.entries[id]?.isBusy == true { return "it is being started or removed" }
      contents.entries[id, default: Entry()].isBusy = true
      return nil
    }
    if let refusal { throw PalanaError(.conflict, "the sandbox of \(id) cannot be changed now: \(refusal)") }
  }

  func release(_ id: AgentID) {
    contents.withLock { $0.entries[id]?.isBusy = false }
  }

  func setRunning(_ live: Live) {
    contents.withLock { contents in
      contents.entries[live.running.id, default: Entry()].live = live
      contents.entries[live.running.id]?.state = .running(live.running)
    }
  }

  /// Writes down the end of a run and tells everybody who waits.
  func setEnded(_ exit: SandboxExit) {
    let told = contents.withLock { contents in
      let waiters = contents.entries[exit.id]?.waiters ?? [:]
      contents.entries[exit.id, default: Entry()].live = nil
      contents.entries[exit.id]?.state = .exited(exit)
      contents.entries[exit.id]?.waiters = [:]
      return Array(waiters.values) + Array(contents.listeners.values)
    }
    for continuation in told { continuation.yield(exit) }
  }

  func setAbsent(_ id: AgentID) {
    let waiters = contents.withLock { contents in contents.entries.removeValue(forKey: id)?.waiters ?? [:] }
    for waiter in waiters.values { waiter.finish() }
  }

  /// The end of the present run, once; the last one at once when none runs; finishes without one when there is none.
  func nextEnd(of id: AgentID) -> AsyncStream<SandboxExit> {
    let (stream, continuation) = AsyncStream.makeStream(of: SandboxExit.self, bufferingPolicy: .bufferingNewest(1))
    let known: SandboxState? = contents.withLock { contents in
      guard let entry = contents.entries[id], case .running = entry.state else {
        return contents.entries[id]?.state ?? .absent
      }
      contents.next += 1
      let number = contents.next
      contents.entries[id]?.waiters[number] = continuation
      continuation.onTermination = { [weak self] _ in
        _ = self?.contents.withLock { $0.entries[id]?.waiters.removeValue(forKey: number) }
      }
      return nil
    }
    if case .exited(let exit) = known { continuation.yield(exit) }
    if known != nil { continuation.finish() }
    return stream
  }

  func ends() -> AsyncStream<SandboxExit> {
    let (stream, continuation) = AsyncStream.makeStream(of: SandboxExit.self, bufferingPolicy: .bufferingNewest(1024))
    contents.withLock { contents in
      contents.next += 1
      let number = contents.next
      contents.listeners[number] = continuation
      continuation.onTermination = { [weak self] _ in
        _ = self?.contents.withLock { $0.listeners.removeValue(forKey: number) }
      }
    }
    return stream
  }
}
