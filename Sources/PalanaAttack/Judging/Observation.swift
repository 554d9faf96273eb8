/// What was seen of one attack.
package enum Observation: Hashable, Sendable {
  /// Why there is no connection, or why the system let nothing be sent.
  case noConnection(String)
  /// The other side took the connection and ended it without a byte.
  case closed
  /// Nothing came in time. `isConnected`: somebody took the connection.
  case silent(isConnected: Bool)
  /// The first bytes that came, 64 KiB at most.
  case answered([UInt8])
}

extension Observation {
  /// For people: never more than the first line of what came, because the rest may hold what nobody should read.
  package var words: String {
    switch self {
    case .noConnection(let why): "no connection: \(why)"
    case .closed: "closed without an answer"
    case .silent(isConnected: true): "connected, and silent"
    case .silent(isConnected: false): "no answer"
    case .answered(let bytes): "\(Self.firstLine(bytes)) (\(bytes.count) bytes)"
    }
  }

  private static func firstLine(_ bytes: [UInt8]) -> String {
    let line = bytes.prefix(120).prefix { $0 != 10 && $0 != 13 }
    // What is no text is shown as numbers: the first sixteen tell what it is.
    guard line.allSatisfy({ (32...126).contains($0) }), !line.isEmpty else {
      return bytes.prefix(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
    return String(decoding: line, as: UTF8.self)
  }
}
