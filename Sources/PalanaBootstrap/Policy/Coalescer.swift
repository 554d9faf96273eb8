/// Runs one piece of work for many callers: whoever asks gets an answer of a run that began after it asked, and runs never overlap.
actor Coalescer<Failure: Error> {
  private let work: @Sendable () async throws(Failure) -> Void
  private var asked = 0
  private var done = 0
  private var isRunning = false
  private var waiters: [CheckedContinuation<Void, Never>] = []

  init(_ work: @escaping @Sendable () async throws(Failure) -> Void) { self.work = work }

  /// Returns when a run that began after this call has ended well.
  func run() async throws(Failure) {
    asked += 1
    let mine = asked
    while done < mine {
      if isRunning {
        await withCheckedContinuation { waiters.append($0) }
        continue
      }
      isRunning = true
      let covered = asked
      let result: Result<Void, Failure>
      do throws(Failure) {
        try await work()
        result = .success(())
      } catch {
        result = .failure(error)
      }
      isRunning = false
      if case .success = result { done = max(done, covered) }
      let woken = waiters
      waiters = []
      for waiter in woken { waiter.resume() }
      try result.get()
    }
  }
}
