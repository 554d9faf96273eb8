import Testing

/// Returns as soon as the condition holds; fails the test when it does not within 30 seconds.
func eventually(
  _ condition: () async throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
  let end = ContinuousClock.now + .seconds(30)
  while ContinuousClock.now < end {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(2))
  }
  Issue.record("the condition did not come true", sourceLocation: sourceLocation)
}
