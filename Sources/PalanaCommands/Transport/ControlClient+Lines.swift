import PalanaControlAPI
import PalanaCore

extension ControlClient {
  /// Calls an operation whose answer is one JSON object per line, and hands over each line as it came.
  ///
  /// - Throws: the ``PalanaError`` with which the server broke off, when its last line says so.
  func lines(
    _ operation: PalanaControlAPI.Operation, _ parameters: [String: String] = [:], query: [QueryItem] = [],
    _ consume: (_ line: [UInt8]) async throws -> Void
  ) async throws {
    var splitter = LineSplitter()
    try await stream(operation, parameters, query: query) { bytes in
      for line in try splitter.push(bytes) {
        try Self.throwIfFailure(line)
        try await consume(line)
      }
      return true
    }
    if let last = splitter.finish() {
      try Self.throwIfFailure(last)
      try await consume(last)
    }
  }

  /// A line with the only key `error` ends a stream that broke off.
  private static func throwIfFailure(_ line: [UInt8]) throws {
    guard line.starts(with: Array("{\"error\"".utf8)), let value = try? JSONValue(parsing: line),
      case .object(let object) = value, object.keys == ["error"]
    else { return }
    throw error(status: 500, line)
  }
}
