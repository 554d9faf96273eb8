import Synchronization

/// Bytes of bodies that are held at the same time, over all connections.
final class BodyBudget: Sendable {
  private let left: Mutex<Int>
  init(bytes: Int) { left = Mutex(bytes) }

  func take(_ count: Int) -> Bool {
    left.withLock { left in
      guard count <= left else { return false }
      left -= count
      return true
    }
  }

  func giveBack(_ count: Int) { left.withLock { $0 += count } }
}
