import NIOCore

/// Takes a message body out of its framing. A pure state machine: bytes in, contents out.
struct BodyDecoder {
  /// One step of a body.
  enum Step {
    /// Contents, never empty.
    case contents(ByteBuffer)
    /// Nothing more can be said without more bytes.
    case needsMore
    case end
  }

  private enum State: Hashable {
    case length(Int64)
    case untilClose
    case chunkSize(UInt64, digits: Int)
    /// After `;`: an extension, which means nothing to us and does not travel on.
    case chunkExtension(Int)
    case chunkSizeEnd(UInt64)
    case chunkData(UInt64)
    case chunkDataEnd(sawReturn: Bool)
    case trailerStart
    case trailerLine(Int)
    case trailerLineEnd(Int)
    case lastLineEnd
    case done
  }

  private var state: State
  /// Bytes of contents so far.
  private(set) var received: Int64 = 0
  /// Bytes of chunk extensions and trailers that may come in total.
  private let overhead: Int

  init(_ framing: MessageFraming, overheadLimit: Int) {
    overhead = overheadLimit
    state =
      switch framing {
      case .none, .length(0): .done
      case .length(let count): .length(count)
      case .chunked: .chunkSize(0, digits: 0)
      case .untilClose: .untilClose
      }
  }

  var isDone: Bool { state == .done }
  var endsWithConnection: Bool { state == .untilClose }

  /// Takes the next step from the front of `buffer`.
  ///
  /// - Throws: ``HeadError``; the body cannot be read on then.
  mutating func next(_ buffer: inout ByteBuffer) throws(HeadError) -> Step {
    while true {
      switch state {
      case .done: return .end
      case .length(let left):
        guard let slice = take(&buffer, atMost: UInt64(left)) else { return .needsMore }
        let rest = left - Int64(slice.readableBytes)
        state = rest == 0 ? .done : .length(rest)
        return .contents(slice)
      case .untilClose:
        guard let slice = take(&buffer, atMost: .max) else { return .needsMore }
        return .contents(slice)
      case .chunkData(let left):
        guard let slice = take(&buffer, atMost: left) else { return .needsMore }
        let rest = left - UInt64(slice.readableBytes)
        state = rest == 0 ? .chunkDataEnd(sawReturn: false) : .chunkData(rest)
        return .contents(slice)
      default:
        guard let byte = buffer.readInteger(as: UInt8.self) else { return .needsMore }
        try consume(byte)
      }
    }
  }

  private mutating func take(_ buffer: inout ByteBuffer, atMost limit: UInt64) -> ByteBuffer? {
    let count = Int(min(UInt64(buffer.readableBytes), limit))
    guard count > 0, let slice = buffer.readSlice(length: count) else { return nil }
    received += Int64(count)
    return slice
  }

  /// One byte of the framing of a chunked body (RFC 9112 §7.1), without any of the liberties that parsers take.
  private mutating func consume(_ byte: UInt8) throws(HeadError) {
    switch state {
    case .chunkSize(let size, let digits):
      if let digit = ByteClass.hexadecimal(byte) {
        guard digits < 15 else { throw .malformed("a chunk size is too long") }
        state = .chunkSize(size << 4 | UInt64(digit), digits: digits + 1)
      } else if digits > 0, byte == 13 {
        state = .chunkSizeEnd(size)
      } else if digits > 0, byte == UInt8(ascii: ";") {
        extensionSize = size
        state = .chunkExtension(0)
      } else {
        throw .malformed("a chunk size is malformed")
      }
    case .chunkExtension(let count):
      if byte == 13 {
        state = .chunkSizeEnd(extensionSize)
      } else {
        guard ByteClass.isFieldValue(byte) else { throw .malformed("a chunk extension is malformed") }
        try spend()
        state = .chunkExtension(count + 1)
      }
    case .chunkSizeEnd(let size):
      guard byte == 10 else { throw .malformed("a chunk size is malformed") }
      state = size == 0 ? .trailerStart : .chunkData(size)
    case .chunkDataEnd(let sawReturn):
      guard byte == (sawReturn ? 10 : 13) else { throw .malformed("a chunk is longer than its size") }
      state = sawReturn ? .chunkSize(0, digits: 0) : .chunkDataEnd(sawReturn: true)
    case .trailerStart:
      if byte == 13 {
        state = .lastLineEnd
      } else {
        guard ByteClass.isToken(byte) else { throw .malformed("a trailer is malformed") }
        state = .trailerLine(1)
      }
    case .trailerLine(let count):
      if byte == 13 {
        state = .trailerLineEnd(count)
      } else {
        guard ByteClass.isFieldValue(byte) else { throw .malformed("a trailer is malformed") }
        try spend()
        state = .trailerLine(count + 1)
      }
    case .trailerLineEnd:
      guard byte == 10 else { throw .malformed("a trailer is malformed") }
      state = .trailerStart
    case .lastLineEnd:
      guard byte == 10 else { throw .malformed("a trailer is malformed") }
      state = .done
    case .length, .untilClose, .chunkData, .done: break
    }
  }

  private var extensionSize: UInt64 = 0
  private var spent = 0

  private mutating func spend() throws(HeadError) {
    spent += 1
    guard spent <= overhead else { throw .tooLarge }
  }
}
