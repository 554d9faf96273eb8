import NIOCore
import PalanaPolicy

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

  private var state = State.header
  private var header = ByteBuffer()
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
        header.writeInteger(bytes[index])
        index += 1
        do {
          guard let frame = try read() else { continue }
          return (begin(frame), index)
        } catch {
          state = .broken
          // The bytes of the header that came before were let through already.
          return (.broken, bytes.count)
        }
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

  /// The header, once all of it is there.
  ///
  /// - Throws: ``Refusal`` when it is none that the other side would take.
  private mutating func read() throws(Refusal) -> WebsocketFrame? {
    guard let frame = try WebsocketFrame.read(&header) else { return nil }
    let isControl = frame.opcode & 8 != 0
    guard [0, 1, 2, 8, 9, 10].contains(frame.opcode), (frame.mask != nil) == isMasked,
      !isControl || frame.length <= 125 && frame.isLast
    else { throw Refusal(.malformedRequest, "a websocket frame is none of the protocol") }
    return frame
  }

  private mutating func begin(_ frame: WebsocketFrame) -> Part {
    header.clear()
    isFinal = frame.isLast
    isControl = frame.opcode & 8 != 0
    mask = (frame.mask.map { key in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: key >> $0) } } ?? [], 0)
    if frame.length > 0 { state = .payload(left: frame.length) }
    return .header(endsMessage: frame.length == 0 && isFinal && !isControl)
  }
}
