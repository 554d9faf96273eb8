import PalanaPlan
import Synchronization

/// What the operator remembers of its own writes, for as long as it runs.
final class WriteMemory: Sendable {
  private struct State {
    /// What the watches may not have told yet.
    var written: [ClusterCopy.Member: (object: Kept, at: ContinuousClock.Instant)] = [:]
    /// What was wanted when the object was last as it was wanted.
    var matched: [ClusterCopy.Member: String] = [:]
  }

  /// After so long the watches have told, or the object is not there any more.
  private static let patience = Duration.seconds(30)

  private let state = Mutex(State())

  /// The newest that is known of an object: what the watches told, or what came back from a later write.
  func newest(_ member: ClusterCopy.Member, told: Kept?, now: ContinuousClock.Instant = .now) -> Kept? {
    state.withLock { state in
      guard let written = state.written[member] else { return told }
      guard written.at + Self.patience > now, told.map({ !$0.isNewer(than: written.object) }) ?? true else {
        state.written[member] = nil
        return told
      }
      return written.object
    }
  }

  func wrote(_ member: ClusterCopy.Member, _ object: Kept, now: ContinuousClock.Instant = .now) {
    state.withLock { $0.written[member] = (object, now) }
  }

  /// A watch told of an object: its new state, or nil when it is gone.
  func told(_ member: ClusterCopy.Member, _ object: Kept?) {
    state.withLock { state in
      guard let written = state.written[member] else { return }
      if object.map({ $0.isNewer(than: written.object) }) ?? true { state.written[member] = nil }
    }
  }

  func matched(_ member: ClusterCopy.Member) -> String? { state.withLock { $0.matched[member] } }
  func match(_ member: ClusterCopy.Member, _ wanted: String?) { state.withLock { $0.matched[member] = wanted } }

  /// Everything about these is over.
  func forget(_ members: some Sequence<ClusterCopy.Member>) {
    state.withLock { state in
      for member in members {
        state.matched[member] = nil
        state.written[member] = nil
      }
    }
  }
}
