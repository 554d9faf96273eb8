import PalanaCore

/// Asks again until something is so.
enum Waiting {
  /// Calls `condition` until it is true, with pauses that grow from 10 to 250 milliseconds.
  ///
  /// - Parameters:
  ///   - what: for the error: “… did not happen in time”.
  ///   - limit: how long.
  /// - Throws: ``PalanaError`` with code `failed` when the time is over; what `condition` throws.
  static func until(
    _ what: String, within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
  ) async throws {
    let end = ContinuousClock.now + limit
    var pause = Duration.milliseconds(10)
    while true {
      if try await condition() { return }
      guard ContinuousClock.now < end else {
        throw PalanaError(
          .failed, "after \(Age.text(limit)) it is still not so that \(what)", hint: "see pcli status and pcli describe"
        )
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 3 / 2, .milliseconds(250))
    }
  }
}
