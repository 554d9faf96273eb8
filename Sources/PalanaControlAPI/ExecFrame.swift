package import PalanaCore

/// What to run in a sandbox; the payload of the first frame of a client.
package struct ExecStart: Codable, Hashable, Sendable {
  package struct TerminalSize: Codable, Hashable, Sendable {
    /// 1 to 65535.
    package var rows: UInt16
    package var columns: UInt16
    package init(rows: UInt16, columns: UInt16) {
      self.rows = rows
      self.columns = columns
    }
  }

  /// Empty: the user's shell.
  package var command: [String]
  /// Present: with a pseudo-terminal of this size.
  package var terminal: TerminalSize?
  package var env: [String: String]?
  package var workingDirectory: String?

  package init(
    command: [String], terminal: TerminalSize? = nil, env: [String: String]? = nil, workingDirectory: String? = nil
  ) {
    self.command = command
    self.terminal = terminal
    self.env = env
    self.workingDirectory = workingDirectory
  }
}

/// One message of an `exec` stream. On the wire: one byte of type, four bytes of length (big-endian), the payload.
package enum ExecFrame: Hashable, Sendable {
  /// Client, first and only once.
  case start(ExecStart)
  /// Client.
  case stdin([UInt8])
  /// Client: nothing more will be written to the command's input.
  case endOfInput
  /// Client.
  case resize(ExecStart.TerminalSize)
  /// Client: a signal number, 1 to 64.
  case signal(UInt8)
  /// Server.
  case stdout([UInt8])
  /// Server.
  case stderr([UInt8])
  /// Server, last: the exit code, or 128 plus the signal.
  case exit(Int32)
  /// Server, last: it could not be run, or the stream broke.
  case failure(PalanaError)

  /// Bytes of a payload, at most.
  package static let maximumPayload = 65_536
  /// Bytes before a payload.
  static let headerLength = 5

  enum Kind: UInt8 {
    case start = 1
    case stdin = 2
    case endOfInput = 3
    case resize = 4
    case signal = 5
    case stdout = 17
    case stderr = 18
    case exit = 19
    case failure = 20
  }

  /// Cuts bytes into frames of the greatest size: `ExecFrame.chunks(bytes).map(ExecFrame.stdin)`.
  package static func chunks(_ bytes: [UInt8]) -> [[UInt8]] {
    stride(from: 0, to: bytes.count, by: maximumPayload).map {
      Array(bytes[$0..<min($0 + maximumPayload, bytes.count)])
    }
  }
}
