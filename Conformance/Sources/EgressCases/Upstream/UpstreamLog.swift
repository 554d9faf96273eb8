import Synchronization

/// What reached the upstream, byte for byte.
public final class UpstreamLog: Sendable {
  /// A request as the upstream read it.
  struct Request: Sendable {
    var connection: Int
    /// The listener's port.
    var port: Int
    /// With the empty line.
    var head: String
    var body: [UInt8]
    /// Whether it came to the address that nobody may reach.
    var isInside = false

    var target: Substring { head.split(separator: " ", maxSplits: 2).dropFirst().first ?? "" }

    func values(_ name: String) -> [String] { Answer(head).fields.filter { $0.name == name }.map(\.value) }
  }

  private struct State {
    var connections = 0
    /// How the marks of this run begin; they end with an `x`.
    var start: [UInt8] = []
    var byMark: [String: [Request]] = [:]
  }

  private let state = Mutex(State())

  func expectMarks(startingWith start: String) { state.withLock { $0.start = Array(start.utf8) } }

  func connection() -> Int {
    state.withLock { state in
      state.connections += 1
      return state.connections
    }
  }

  func note(_ request: Request) {
    let head = Array(request.head.utf8)
    state.withLock { state in
      guard !state.start.isEmpty, let start = head.firstRange(of: state.start)?.upperBound,
        let end = head[start...].firstIndex(of: UInt8(ascii: "x"))
      else { return }
      state.byMark[String(decoding: state.start + head[start...end], as: UTF8.self), default: []].append(request)
    }
  }

  /// The requests whose head has `mark`.
  func requests(with mark: String) -> [Request] { state.withLock { $0.byMark[mark] ?? [] } }
}
