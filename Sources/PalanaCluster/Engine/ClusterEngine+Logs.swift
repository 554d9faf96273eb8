import NIOCore
package import PalanaCore
import PalanaKube
package import PalanaPlan

extension ClusterEngine {
  /// The kubelet keeps one stream, so every line is of `stdout`.
  package func logs(
    of agent: AgentID, _ options: LogOptions
  ) async throws(PalanaError) -> AsyncThrowingStream<LogLine, any Error> {
    let namespace = try namespace(of: agent)
    let first: KubeBody?
    do throws(KubeError) {
      first = try await open(namespace, follow: options.follow, tail: options.tail, since: options.since, previous: options.previous)
    } catch {
      // Without a pod, or before its container began, there is nothing to show yet.
      guard options.follow, error.kind == .notFound || error.kind == .invalid else { throw Self.told(error, options.previous, agent) }
      first = nil
    }
    let lines = HandOver<LogLine>()
    let task = Task {
      do {
        try await follow(agent, namespace, options, first, lines)
        lines.finish()
      } catch {
        lines.finish(.failure((error as? KubeError)?.palana ?? error))
      }
    }
    // The work lives as long as the stream: whoever drops that ends it.
    let owner = TaskOwner {
      task.cancel()
      lines.finish()
    }
    return AsyncThrowingStream {
      _ = owner
      return try await lines.take()
    }
  }

  private func open(
    _ namespace: String, follow: Bool, tail: Int?, since: Timestamp?, previous: Bool
  ) async throws(KubeError) -> KubeBody {
    try await client.logs(
      Self.pod, in: namespace, container: Self.container, follow: follow, tail: tail, since: since, previous: previous, timestamps: true)
  }

  private static func told(_ error: KubeError, _ previous: Bool, _ agent: AgentID) -> PalanaError {
    switch error.kind {
    // The kubelet's `previous terminated container … not found` is a bad request.
    case .invalid where previous: PalanaError(.notFound, "there is no run before this one")
    case .notFound: PalanaError(.notFound, "\(agent) has no pod, and so no log", hint: "the log of a pod goes with it; start the agent")
    case .invalid: PalanaError(.conflict, "\(agent) has not begun to run: \(error.message)")
    default: error.told("the log of \(agent)")
    }
  }

  /// Hands the lines over; with `follow` those of the containers to come as well, as long as the agent exists.
  private func follow(
    _ agent: AgentID, _ namespace: String, _ options: LogOptions, _ first: KubeBody?, _ lines: HandOver<LogLine>
  ) async throws {
    var body = first
    // A container that begins anew is read from its beginning; its first lines may be of the second in which the last one ended.
    var last = options.since
    while true {
      if let body {
        var reader = LogLineReader()
        for try await bytes in body {
          for line in reader.take(Array(bytes.readableBytesView)) {
            guard await lines.give(line) else { return }
            last = line.time
          }
        }
        if let line = reader.finish() {
          guard await lines.give(line) else { return }
          last = line.time
        }
      }
      guard options.follow, exists(agent) else { return }
      try await Task.sleep(for: .seconds(1))
      body = try await next(namespace, after: last)
    }
  }

  /// The log of what runs now; nil while nothing does.
  private func next(_ namespace: String, after last: Timestamp?) async throws(KubeError) -> KubeBody? {
    guard let pod = try await client.find(Self.pods, Self.pod, in: namespace).map(RunningPod.init), pod.isRunning else { return nil }
    do throws(KubeError) {
      return try await open(namespace, follow: true, tail: nil, since: last.map { $0 + .microseconds(1) }, previous: false)
    } catch {
      guard error.kind == .notFound || error.kind == .invalid else { throw error }
      return nil
    }
  }
}

/// Makes lines of a log with timestamps. A line has at most 16 KiB; longer ones are split.
struct LogLineReader {
  static let limit = 16_384
  private var rest: [UInt8] = []
  /// Of the line whose pieces are being handed on.
  private var time: Timestamp?

  mutating func take(_ bytes: [UInt8]) -> [LogLine] {
    var lines: [LogLine] = []
    var start = bytes.startIndex
    while let end = bytes[start...].firstIndex(of: 10) {
      rest += bytes[start..<end]
      start = bytes.index(after: end)
      lines += pieces()
      lines.append(line(rest))
      rest = []
      time = nil
    }
    rest += bytes[start...]
    lines += pieces()
    return lines
  }

  /// What is left at the end, without a line end.
  mutating func finish() -> LogLine? {
    guard !rest.isEmpty else { return nil }
    defer { rest = [] }
    stamp()
    return line(rest)
  }

  /// Full pieces of a line that is longer than the limit.
  private mutating func pieces() -> [LogLine] {
    stamp()
    var lines: [LogLine] = []
    while rest.count > Self.limit {
      lines.append(line(Array(rest.prefix(Self.limit))))
      rest.removeFirst(Self.limit)
    }
    return lines
  }

  /// Takes the time from the beginning of the line, once.
  private mutating func stamp() {
    guard time == nil, let space = rest.prefix(40).firstIndex(of: 32) else { return }
    guard let stamp = Timestamp(parsing: String(decoding: rest[..<space], as: UTF8.self)) else { return }
    time = stamp
    rest.removeSubrange(...space)
  }

  private func line(_ bytes: [UInt8]) -> LogLine {
    var text = bytes[...]
    if text.last == 13 { text.removeLast() }
    return LogLine(time: time ?? Timestamp(seconds: 0), stream: .stdout, text: String(decoding: text, as: UTF8.self))
  }
}
