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

    var target: Substring { head.split(separator: " ", maxSplits: 2).dropFirst().first ?? "" }

    func values(_ name: String) -> [String] { Answer(head).fields.filter { $0.name == name }.map(\.value) }
  }

  private let state = Mutex<(requests: [Request], connections: Int)>(([], 0))

  func connection() -> Int {
    state.withLock { state in
      state.connections += 1
      return state.connections
    }
  }

  func note(_ request: Request) { state.withLock { $0.requests.append(request) } }

  var requests: [Request] { state.withLock(\.requests) }

  /// The requests whose head has `mark`.
  func requests(with mark: String) -> [Request] { requests.filter { $0.head.contains(mark) } }
}
