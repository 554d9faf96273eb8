import NIOCore

/// Puts contents into chunks.
enum ChunkWriter {
  /// Appends one chunk; nothing for empty contents, since an empty chunk would end the body.
  static func write(_ contents: ByteBuffer, into buffer: inout ByteBuffer) {
    guard contents.readableBytes > 0 else { return }
    writeSize(contents.readableBytes, into: &buffer)
    buffer.writeImmutableBuffer(contents)
    buffer.writeStaticString("\r\n")
  }

  /// Appends the end of a body without trailers.
  static func writeEnd(into buffer: inout ByteBuffer) { buffer.writeStaticString("0\r\n\r\n") }

  private static func writeSize(_ size: Int, into buffer: inout ByteBuffer) {
    var shift = (size.bitWidth - size.leadingZeroBitCount - 1) / 4 * 4
    while shift >= 0 {
      let digit = UInt8(truncatingIfNeeded: size >> shift & 15)
      buffer.writeInteger(digit < 10 ? 48 + digit : 87 + digit)
      shift -= 4
    }
    buffer.writeStaticString("\r\n")
  }
}
