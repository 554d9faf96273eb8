package import PalanaCore
package import PalanaPlan

/// Reads the log of an agent, line by line, across rotations and, while following, across runs.
actor LogReader {
  private let folder: String
  private let options: LogOptions
  private let since: [UInt8]?
  private let watch: FolderWatch?
  private var run: Int
  private var cursor: LogCursor
  private var pending: [UInt8] = []
  private var position = 0

  /// Blocking.
  /// - Parameter folder: the runs' folders stand in it.
  /// - Throws: `notFound` when there is no log.
  init(folder: String, options: LogOptions) throws(PalanaError) {
    let runs = Self.runs(folder)
    guard let run = options.previous ? runs.dropLast().last : runs.last else {
      throw PalanaError(.notFound, options.previous ? "there is no log of an earlier run" : "there is no log yet")
    }
    self.folder = folder
    self.options = options
    self.run = run
    since = options.since.map { Array($0.description.utf8) }
    // Before the first read: what is written after that is told.
    watch = options.follow && !options.previous ? try FolderWatch() : nil
    watch?.add(folder)
    watch?.add("\(folder)/\(run)")
    // A folder does not tell of its own end while a file in it is still open, here: the one above it does.
    watch?.add(String(folder[..<(folder.lastIndex(of: "/") ?? folder.endIndex)]))
    if let tail = options.tail {
      cursor = LogCursor(folder: "\(folder)/\(run)", tail: tail)
    } else {
      cursor = LogCursor(folder: "\(folder)/\(run)")
    }
  }

  private static func runs(_ folder: String) -> [Int] { Files.names(in: folder).compactMap { Int($0) }.sorted() }

  /// The next line; nil: the end of the log, or while following the end of the agent.
  func next() async throws -> LogLine? {
    while true {
      while let line = takeLine() {
        if let since, LogFormat.isBefore(line, since) { continue }
        if let parsed = LogFormat.parse(line) { return parsed }
      }
      if try await fill() { continue }
      guard let watch else { return nil }
      if try await goToNextRun() { continue }
      guard Files.exists(folder) else { return nil }
      guard await watch.wait() else { throw CancellationError() }
    }
  }

  private func takeLine() -> ArraySlice<UInt8>? {
    guard let end = pending[position...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    defer { position = end + 1 }
    return pending[position..<end]
  }

  private func fill() async throws -> Bool {
    let here = cursor
    let (next, bytes) = try await SystemCall.blocking { () throws(PalanaError) in
      var cursor = here
      let bytes = cursor.next()
      return (cursor, bytes)
    }
    cursor = next
    pending.removeFirst(position)
    position = 0
    pending += bytes
    return !bytes.isEmpty
  }

  /// A run ends for good when a later one has begun: nothing is written to it any more.
  private func goToNextRun() async throws -> Bool {
    guard let following = Self.runs(folder).first(where: { $0 > run }) else { return false }
    if try await fill() { return true }
    run = following
    pending = []
    position = 0
    cursor = LogCursor(folder: "\(folder)/\(run)")
    watch?.add("\(folder)/\(run)")
    return true
  }
}

extension SandboxRuntime {
  /// The agent's output: of its present or last run, or with `previous` of the one before. While following it goes on
  /// with later runs and ends when the agent is removed.
  /// - Throws: `notFound` when there is no log.
  package func logs(
    of agent: AgentID, _ options: LogOptions
  ) async throws(PalanaError) -> AsyncThrowingStream<LogLine, any Error> {
    let folder = paths.logs(agent)
    let reader = try await SystemCall.blocking { () throws(PalanaError) in
      try LogReader(folder: folder, options: options)
    }
    return AsyncThrowingStream { try await reader.next() }
  }
}
