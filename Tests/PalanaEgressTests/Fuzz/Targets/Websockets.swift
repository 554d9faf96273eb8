import Fuzzing
import NIOCore
import PalanaPolicy

@testable import PalanaEgress

/// Frames of websockets.
extension FuzzTarget {
  /// The same parts, however the bytes are cut.
  static let websocket = FuzzTarget(
    name: "websocket", texts: ["\u{1}\u{5}hello", "\u{1}\u{2}he\u{0}\u{3}llo\u{9}\u{1}x", "\u{2}~\u{0}\u{1}x", "\u{8}\u{2}\u{3}x"]
  ) { bytes in
    func payload(_ step: Int) -> [UInt8]? {
      var frames = WebsocketFrames(isMasked: false)
      var out: [UInt8] = []
      for start in stride(from: 0, to: bytes.count, by: step) {
        let piece = Array(bytes[start..<min(start + step, bytes.count)])
        var position = 0
        while let (part, end) = frames.next(piece.span, from: position) {
          if part == .broken { return nil }
          guard end > position, end <= piece.count else { return [0] }
          if case .data = part { out += piece[position..<end] }
          position = end
        }
      }
      return out
    }
    return payload(bytes.count + 1) == payload(1) ? nil : "other contents byte by byte"
  }

  /// The frames keep their lengths and order, and a value in a message is masked.
  static let websocketScrubber = FuzzTarget(
    name: "websocket-scrubber", count: 4_000,
    texts: [
      "\u{1}\u{c}x7f3a-secret!", "\u{1}\u{4}7f3a\u{0}\u{7}-secret\u{9}\u{b}7f3a-secret", "\u{2}~\u{0}\u{b}7f3a-secret", "\u{8}\u{2}\u{3}x",
    ]
  ) { bytes in
    func scrubbed(_ pieces: [ArraySlice<UInt8>]) -> [UInt8] {
      var scrubber = WebsocketScrubber(secretIndex)
      var out: [UInt8] = []
      for piece in pieces { if let ready = scrubber.pass(ByteBuffer(bytes: piece)) { out += Array(buffer: ready) } }
      if let rest = scrubber.finish() { out += Array(buffer: rest) }
      return out
    }
    let out = scrubbed([bytes[...]])
    guard out.count == bytes.count else { return "\(out.count) bytes of \(bytes.count)" }
    guard zip(bytes, out).allSatisfy({ $0 == $1 || $1 == UInt8(ascii: "*") }) else { return "bytes became others" }
    return scrubbed(bytes.indices.map { bytes[$0...$0] }).count == bytes.count ? nil : "another length byte by byte"
  }
}
