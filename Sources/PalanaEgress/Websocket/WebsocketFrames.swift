import NIOCore

/// Walks over the frames of one direction of a websocket (RFC 6455 §5.2), however its bytes are cut.
struct WebsocketFrames {
  /// What some bytes are.
  enum Part: Hashable {
    /// A piece of a header. `endsMessage`: of a frame without payload that is the last one of its message.
    case header(endsMessage: Bool)
    /// A piece of the payload of a text, binary or continuation frame. `endsMessage`: of its last bytes.
    case data(endsMessage: Bool)
    /// A piece of the payload of a close, ping or pong frame. `isWhole`: its last one.
    case control(isWhole: Bool)
    /// No frame of the protocol as it was agreed on; nor is anything after it.
    case broken
  }

  private enum State {
    case header
    case payload(left: UInt64)
    case broken
  }

  /// The longest header: two bytes, a length of eight, a mask of four.
  private static let longestHeader = 14

  private var state = State.header
  private var header: [UInt8] = []
  private let isMasked: Bool
  private var isFinal = false
  private var isControl = false
  /// The mask of the frame, and how many bytes of its payload were passed.
  private(set) var mask: (key: [UInt8], passed: Int) = ([], 0)

  /// - Parameter isMasked: whether these are the frames of a client, which are masked; those of a server never are.
  init(isMasked: Bool) { self.isMasked = isMasked }

  /// Takes the next part from `bytes`, from `start` on.
  /// - Returns: what it is and where it ends; nil when nothing is left.
  mutating func next(_ bytes: Span<UInt8>, from start: Int) -> (part: Part, end: Int)? {
    guard start < bytes.count else { return nil }
    switch state {
    case .broken: return (.broken, bytes.count)
    case .payload(let left): return payload(left, start, bytes.count)
    case .header:
      var index = start
      while index < bytes.count {
        header.append(bytes[index])
        index += 1
        guard let length = headerLength else {
          state = .broken
          // The bytes of the header that came before were let through already.
          return (.broken, bytes.count)
        }
        if header.count == length { return (finishHeader(), index) }
      }
      return (.header(endsMessage: false), index)
    }
  }

  private mutating func payload(_ left: UInt64, _ start: Int, _ count: Int) -> (part: Part, end: Int) {
    let taken = Int(min(left, UInt64(count - start)))
    mask.passed &+= taken
    let rest = left - UInt64(taken)
    state = rest == 0 ? .header : .payload(left: rest)
    return (isControl ? .control(isWhole: rest == 0) : .data(endsMessage: rest == 0 && isFinal), start + taken)
  }

  /// How many bytes the header has, judged by those that are there; nil when it is none.
  private var headerLength: Int? {
    guard header[0] & 0x70 == 0, [0, 1, 2, 8, 9, 10].contains(header[0] & 15) else { return nil }
    guard header.count > 1 else { return 2 }
    guard (header[1] & 0x80 != 0) == isMasked else { return nil }
    let short = header[1] & 0x7f
    // Control frames are short and whole.
    if header[0] & 8 != 0, short > 125 || header[0] & 0x80 == 0 { return nil }
    let extra = short == 126 ? 2 : short == 127 ? 8 : 0
    // The highest bit of a long length is zero.
    if extra == 8, header.count > 2, header[2] & 0x80 != 0 { return nil }
    return 2 + extra + (isMasked ? 4 : 0)
  }

  private mutating func finishHeader() -> Part {
    isFinal = header[0] & 0x80 != 0
    isControl = header[0] & 8 != 0
    let short = UInt64(header[1] & 0x7f)
    let extra = short == 126 ? 2 : short == 127 ? 8 : 0
    let length = extra == 0 ? short : header[2..<(2 + extra)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    mask = (isMasked ? Array(header.suffix(4)) : [], 0)
    header.removeAll(keepingCapacity: true)
    if length > 0 { state = .payload(left: length) }
    return .header(endsMessage: length == 0 && isFinal && !isControl)
  }
}
