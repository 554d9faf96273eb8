import PalanaAPI
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Synchronization

/// Time that a test moves by hand.
final class ManualTime: Sendable {
  private let value = Mutex(Duration.zero)
  var clock: MonotonicClock { MonotonicClock { self.value.withLock { $0 } } }
  func advance(by duration: Duration) { value.withLock { $0 += duration } }
}

/// A clock whose sleeps end at once and are written down: for loops that pause between steps.
final class InstantClock: Clock, Sendable {
  struct Instant: InstantProtocol {
    var offset: Duration
    func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
    func duration(to other: Instant) -> Duration { other.offset - offset }
    static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
  }

  private let state = Mutex((now: Duration.zero, sleeps: [Duration]()))
  private let limit: Int

  /// - Parameter limit: sleeps beyond this number fail as if the task were cancelled.
  init(limit: Int = .max) { self.limit = limit }

  var sleeps: [Duration] { state.withLock { $0.sleeps } }
  var now: Instant { Instant(offset: state.withLock { $0.now }) }
  var minimumResolution: Duration { .nanoseconds(1) }

  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    try Task.checkCancellation()
    let isOver = state.withLock { state in
      guard state.sleeps.count < limit else { return true }
      state.sleeps.append(deadline.offset - state.now)
      state.now = deadline.offset
      return false
    }
    if isOver { throw CancellationError() }
    await Task.yield()
  }
}

enum Names {
  static func owner(_ raw: String = "alice@example.com") throws -> UserIdentity { try UserIdentity(raw) }
  static func agent(_ name: String = "demo") throws -> ResourceName { try ResourceName(name) }

  static func ref(_ secret: String = "GITHUB_PAT", key: String = "token", agent: String = "demo") throws -> SecretRef {
    SecretRef(
      path: SecretPath(area: .proxySecrets, owner: try owner(), agent: try self.agent(agent), secret: secret), key: key)
  }

  static func spec(
    secret: String = "GITHUB_PAT", keys: [SecretKey] = [SecretKey(key: "token", placeholder: "TOKEN_GITHUB_PAT")],
    hosts: [String] = ["api.github.com"], places: [String] = [], access: SecretBindingSpec.Access = .proxyOnly
  ) throws -> SecretBindingSpec {
    SecretBindingSpec(
      owner: try owner(), agent: "demo", secret: secret, access: access, keys: keys, hosts: hosts, places: places,
      revision: 3)
  }
}

/// The error that an operation throws, or nil.
func failure(_ body: () async throws -> Void) async -> PalanaError? {
  do { try await body() } catch { return error as? PalanaError }
  return nil
}

/// The error that an operation throws, or nil.
func thrown(_ body: () throws -> Void) -> PalanaError? {
  do { try body() } catch { return error as? PalanaError }
  return nil
}
