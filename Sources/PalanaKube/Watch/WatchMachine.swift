/// The way of one watch, as a pure machine: what happened goes in, what to do comes out.
///
/// A collection is listed once, page by page, then watched from the version of the list. A watch that ends is begun again where it
/// ended; one whose place is no longer kept (410) begins with a new list. Failures wait, longer each time, until something works.
struct WatchMachine: Sendable {
  enum State: Equatable, Sendable {
    /// A list is being read; `next` is the page to ask for, nil the first.
    case listing(next: String?)
    /// The list is whole up to `version`; what comes after it is watched.
    case watching(version: String)
  }

  enum Action: Equatable, Sendable {
    case list(after: String?)
    case watch(version: String)
    /// Wait, then do what `action` says.
    case wait(Duration)
  }

  /// What a listed page means to whoever keeps a copy.
  struct Page: Equatable, Sendable {
    var isFirst: Bool
    var isLast: Bool
  }

  private(set) var state = State.listing(next: nil)
  private var failures = 0
  private var isWaiting = false
  /// How long the server asked to wait.
  private var asked = Duration.zero

  private static let shortest = Duration.milliseconds(200)
  private static let longest = Duration.seconds(30)

  /// What to do now.
  /// - Parameter spread: from 0 to 1; keeps many watches from coming back in the same moment.
  mutating func next(spread: Double) -> Action {
    if isWaiting {
      isWaiting = false
      return .wait(max(Self.pause(after: failures, spread: spread), asked))
    }
    switch state {
    case .listing(let next): return .list(after: next)
    case .watching(let version): return .watch(version: version)
    }
  }

  /// Between half of and the whole of a time that doubles with each failure.
  static func pause(after failures: Int, spread: Double) -> Duration {
    let whole = min(shortest * (1 << min(max(failures - 1, 0), 20)), longest)
    return whole * (0.5 + min(max(spread, 0), 1) / 2)
  }

  /// A page was read.
  mutating func listed(version: String, next: String?) -> Page {
    failures = 0
    var page = Page(isFirst: false, isLast: next == nil)
    if case .listing(nil) = state { page.isFirst = true }
    state = next.map { .listing(next: $0) } ?? .watching(version: version)
    return page
  }

  /// An event came, or a bookmark: everything up to `version` was seen.
  mutating func seen(version: String) {
    failures = 0
    if case .watching = state, !version.isEmpty { state = .watching(version: version) }
  }

  /// The watch came to its end without a failure, as each does after a while.
  ///
  /// - Parameter wasShort: it ended at once and brought nothing; asked again at once, that would be a storm.
  mutating func ended(wasShort: Bool) {
    asked = .zero
    guard wasShort else { return }
    failures += 1
    isWaiting = true
  }

  /// A request failed, or the watch broke off with an error.
  mutating func failed(_ error: KubeError) {
    asked = error.retryAfter ?? .zero
    if error.kind == .gone {
      // A place that is gone needs no pause; a server that says so again and again does.
      if failures > 0 { isWaiting = true }
      failures += 1
      state = .listing(next: nil)
      return
    }
    failures += 1
    isWaiting = true
    // The pages of a list belong together: after another failure the place in it may be gone too.
    if case .listing = state { state = .listing(next: nil) }
  }
}
