import PalanaCore
import PalanaPlan

/// Frames between the runtime and `palana-shim exec`: a byte of kind, four of length (little-endian), the payload.
enum ExecFrames {
  /// What the shim says.
  enum Answer: Hashable, Sendable {
    case output([UInt8])
    case errorOutput([UInt8])
    /// The exit code, or 128 plus the signal.
    case exit(Int32)
    case failure(String)
  }

  static func frame(_ kind: Character, _ payload: [UInt8]) -> [UInt8] {
    var bytes = [kind.asciiValue ?? 0]
    ShimJob.append(UInt32(payload.count), to: &bytes)
    return bytes + payload
  }

  /// The frames for one input; large ones are cut, the shim takes a mebibyte at most.
  static func frames(_ input: ExecInput) -> [UInt8] {
    switch input {
    case .bytes(let bytes):
      return stride(from: 0, to: bytes.count, by: 32_768).flatMap {
        frame("i", Array(bytes[$0..<min($0 + 32_768, bytes.count)]))
      }
    case .endOfInput: return frame("e", [])
    case .resize(let size):
      let numbers = [size.rows, size.columns].map { UInt16(clamping: $0) }
      return frame("w", numbers.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
    case .signal(let number):
      guard (1...64).contains(number) else { return [] }
      return frame("s", [UInt8(number)])
    }
  }

  /// Cuts what arrives into answers.
  struct Reader: Sendable {
    private var buffer: [UInt8] = []

    /// - Throws: `failed` when that is not what the shim writes.
    mutating func take(_ bytes: [UInt8]) throws(PalanaError) -> [Answer] {
      buffer += bytes
      var answers: [Answer] = []
      var offset = 0
      while buffer.count - offset >= 5 {
        let size = (0..<4).reduce(0) { $0 | Int(buffer[offset + 1 + $1]) << (8 * $1) }
        guard size <= 1 << 20 else { throw PalanaError(.failed, "the command's keeper sent a broken frame") }
        guard buffer.count - offset - 5 >= size else { break }
        answers.append(try Self.answer(buffer[offset], Array(buffer[(offset + 5)..<(offset + 5 + size)])))
        offset += 5 + size
      }
      buffer.removeFirst(offset)
      return answers
    }

    private static func answer(_ kind: UInt8, _ payload: [UInt8]) throws(PalanaError) -> Answer {
      switch kind {
      case UInt8(ascii: "o"): return .output(payload)
      case UInt8(ascii: "r"): return .errorOutput(payload)
      case UInt8(ascii: "x") where payload.count == 4:
        return .exit(Int32(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(payload[$1]) << (8 * UInt32($1)) }))
      case UInt8(ascii: "f"): return .failure(String(decoding: payload, as: UTF8.self))
      default: throw PalanaError(.failed, "the command's keeper sent a broken frame")
      }
    }
  }
}
