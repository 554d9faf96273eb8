import PalanaCore

/// Shows that something takes time: a spinner with the time so far on a terminal, plain lines otherwise, nothing when quiet.
struct Progress: Sendable {
  private let output: Output
  private let state: ProgressState

  private init(output: Output, title: String) {
    self.output = output
    state = ProgressState(title)
  }

  /// Runs `body` while `title` is shown. What `body` reports by ``say(_:)`` replaces the title.
  static func run<Value: Sendable>(
    _ title: String, _ output: Output, _ body: @Sendable @escaping (Progress) async throws -> Value
  ) async throws -> Value {
    let progress = Progress(output: output, title: title)
    guard !output.quiet, output.format == .table else { return try await body(progress) }
    guard output.io.errorIsTerminal else { return try await progress.plain(title, body) }
    return try await progress.spinning(body)
  }

  /// Says what is being done now.
  func say(_ title: String) async { await state.set(title) }

  private func plain<Value: Sendable>(
    _ title: String, _ body: @Sendable (Progress) async throws -> Value
  ) async throws -> Value {
    try await output.io.error.write(TerminalText.safe(title) + " …\n")
    return try await body(self)
  }

  private func spinning<Value: Sendable>(
    _ body: @Sendable @escaping (Progress) async throws -> Value
  ) async throws -> Value {
    let started = ContinuousClock.now
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask {
        // Shorter work than this shows nothing, so that quick commands do not flicker.
        try await Task.sleep(for: .milliseconds(200))
        let frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
        var index = 0
        while true {
          let title = TerminalText.safe(await state.show())
          let elapsed = Age.text(ContinuousClock.now - started)
          try await output.io.error.write("\r\u{1b}[2K\(frames[index % frames.count]) \(title) \(elapsed)")
          index += 1
          try await Task.sleep(for: .milliseconds(100))
        }
      }
      group.addTask { try await body(self) }
      do {
        let value = try await group.next() ?? nil
        group.cancelAll()
        try await clear(group: &group)
        guard let value else { throw CancellationError() }
        return value
      } catch {
        group.cancelAll()
        try await clear(group: &group)
        throw error
      }
    }
  }

  private func clear<Value>(group: inout ThrowingTaskGroup<Value, any Error>) async throws {
    while await group.nextResult() != nil {}
    guard await state.wasShown else { return }
    try await output.io.error.write("\r\u{1b}[2K")
  }
}

/// The present title.
private actor ProgressState {
  private var title: String
  private(set) var wasShown = false

  init(_ title: String) { self.title = title }

  func set(_ title: String) { self.title = title }

  /// The title, which is about to be seen.
  func show() -> String {
    wasShown = true
    return title
  }
}
