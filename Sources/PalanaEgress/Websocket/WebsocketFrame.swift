import NIOCore
import PalanaPolicy

/// The header of a websocket frame (RFC 6455 §5.2).
struct WebsocketFrame: Hashable {
  var isLast: Bool
  /// 0 to 15.
  var opcode: UInt8
  var length: UInt64
  /// Nil: the frame is not masked.
  var mask: UInt32?

  /// Takes a header from the front of `buffer`.
  ///
  /// - Returns: nil while it is not complete.
  /// - Throws: ``Refusal`` for reserved bits, which only an extension gives a meaning, and for lengths that are not written in
  ///   the shortest form.
  static func read(_ buffer: inout ByteBuffer) throws(Refusal) -> WebsocketFrame? {
    var reader = buffer
    guard let first = reader.readInteger(as: UInt8.self), let second = reader.readInteger(as: UInt8.self) else {
      return nil
    }
    guard first & 0x70 == 0 else {
      throw Refusal(.malformedRequest, "a websocket frame has reserved bits, and no extension was agreed on")
    }
    var length = UInt64(second & 0x7f)
    var isShortest = true
    if length == 126 {
      guard let long = reader.readInteger(as: UInt16.self) else { return nil }
      length = UInt64(long)
      isShortest = length > 125
    } else if length == 127 {
      guard let long = reader.readInteger(as: UInt64.self) else { return nil }
      length = long
      isShortest = length > 0xffff && length >> 63 == 0
    }
    guard isShortest else { throw Refusal(.malformedRequest, "the length of a websocket frame is malformed") }
    var mask: UInt32?
    if second & 0x80 != 0 {
      guard let key = reader.readInteger(as: UInt32.self) else { return nil }
      mask = key
    }
    buffer = reader
    return WebsocketFrame(isLast: first & 0x80 != 0, opcode: first & 0x0f, length: length, mask: mask)
  }

  func write(into buffer: inout ByteBuffer) {
    buffer.writeInteger((isLast ? 0x80 : 0) | opcode)
    let bit: UInt8 = mask == nil ? 0 : 0x80
    if length <= 125 {
      buffer.writeInteger(bit | UInt8(length))
    } else if length <= 0xffff {
      buffer.writeInteger(bit | 126)
      buffer.writeInteger(UInt16(length))
    } else {
      buffer.writeInteger(bit | 127)
      buffer.writeInteger(length)
    }
    if let mask { buffer.writeInteger(mask) }
  }

  /// A whole text message under a mask that nobody could foresee (RFC 6455 §5.3).
  static func write(text: [UInt8], into buffer: inout ByteBuffer) {
    var generator = SystemRandomNumberGenerator()
    let key = UInt32.random(in: .min ... .max, using: &generator)
    WebsocketFrame(isLast: true, opcode: 1, length: UInt64(text.count), mask: key).write(into: &buffer)
    var mask = WebsocketMask(key)
    buffer.writeBytes(text.map { mask.apply($0) })
  }
}

/// The mask of a frame, moving along its bytes.
struct WebsocketMask: Hashable {
  private var key: UInt32

  init(_ key: UInt32) { self.key = key }

  mutating func apply(_ byte: UInt8) -> UInt8 {
    key = key << 8 | key >> 24
    return byte ^ UInt8(truncatingIfNeeded: key)
  }
}
