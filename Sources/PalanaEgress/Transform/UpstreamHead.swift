import NIOCore
import PalanaPolicy

/// Writes the request head that the upstream gets.
enum UpstreamHead {
  /// The canonical target and host, the fields that may travel, credentials in place of placeholders, the framing restated.
  ///
  /// - Parameters:
  ///   - framing: as the upstream gets it: that of `head`, or the length of a body that was held.
  ///   - isScrubbed: whether the response is looked through: what would hide a credential from that is not asked for.
  static func write(
    _ head: RequestHead, target: RequestTarget, host: String, framing: MessageFraming,
    injection: borrowing InjectionPlan, isUpgrade: Bool, isScrubbed: Bool, into buffer: inout ByteBuffer
  ) {
    let fields = head.fields
    unsafe buffer.writeBytes(fields.bytes.readableBytesUInt8Span.extracting(head.method.range).bytes)
    buffer.writeStaticString(" ")
    writeTarget(target, injection.message, into: &buffer)
    buffer.writeStaticString(" HTTP/1.1\r\nhost: ")
    buffer.writeString(host)
    buffer.writeStaticString("\r\n")
    let named = HeaderPolicy.connectionNames(fields)
    var asksForIdentity = !injection.isEmpty
    FieldCopier.copy(fields, into: &buffer) { index, field in
      switch field.known {
      case .other, .authorization, .contentEncoding: break
      case .acceptEncoding, .websocketExtensions:
        // Compressed, a credential could not be seen.
        if isScrubbed {
          if field.known == .acceptEncoding { asksForIdentity = true }
          return .skip
        }
      case .range:
        // A part of the response could hold a part of the credential.
        if !injection.isEmpty { return .skip }
      case .expect: return head.expectsContinue && framing == head.framing ? .copy : .skip
      default: return .skip
      }
      if !named.isEmpty, named.contains(fields.text(field.name).lowercased()) { return .skip }
      if let value = injection.values[index] { return .replace(value) }
      return .copy
    }
    if let token = injection.message?.sessionToken {
      buffer.writeStaticString("x-amz-security-token: ")
      buffer.writeBytes(token)
      buffer.writeStaticString("\r\n")
    }
    switch framing {
    case .length(let count):
      buffer.writeStaticString("content-length: ")
      DecimalWriter.write(count, into: &buffer)
      buffer.writeStaticString("\r\n")
    case .chunked: buffer.writeStaticString("transfer-encoding: chunked\r\n")
    case .none, .untilClose: break
    }
    if isUpgrade { buffer.writeStaticString("connection: upgrade\r\nupgrade: websocket\r\n") }
    if asksForIdentity { buffer.writeStaticString("accept-encoding: identity\r\n") }
    buffer.writeStaticString("\r\n")
  }
}

extension UpstreamHead {
  private static func writeTarget(_ target: RequestTarget, _ places: MessagePlaces?, into buffer: inout ByteBuffer) {
    if let path = places?.path { buffer.writeBytes(path) } else { buffer.writeString(target.path.description) }
    guard let query = target.query else { return }
    buffer.writeStaticString("?")
    if let query = places?.query { buffer.writeBytes(query) } else { buffer.writeString(query) }
  }
}

/// Copies header fields, runs of untouched ones in one piece.
enum FieldCopier {
  enum Action {
    case copy
    case skip
    /// Another value, without line breaks.
    case replace([UInt8])
  }

  static func copy(_ fields: HeadFields, into buffer: inout ByteBuffer, _ action: (Int, HeadField) -> Action) {
    let span = fields.bytes.readableBytesUInt8Span
    // The empty line is not part of the last field.
    let end = span.count - 2
    var runStart: Int?
    for (index, field) in fields.fields.enumerated() {
      let start = Int(field.name.start)
      switch action(index, field) {
      case .copy:
        if runStart == nil { runStart = start }
        continue
      case .skip: flush(span, &runStart, start, into: &buffer)
      case .replace(let value):
        flush(span, &runStart, start, into: &buffer)
        unsafe buffer.writeBytes(span.extracting(field.name.range).bytes)
        buffer.writeStaticString(": ")
        buffer.writeBytes(value)
        buffer.writeStaticString("\r\n")
      }
    }
    flush(span, &runStart, end, into: &buffer)
  }

  private static func flush(
    _ span: borrowing Span<UInt8>, _ runStart: inout Int?, _ end: Int, into buffer: inout ByteBuffer
  ) {
    guard let start = runStart else { return }
    unsafe buffer.writeBytes(span.extracting(start..<end).bytes)
    runStart = nil
  }
}

/// Numbers in decimal, without a text in between.
enum DecimalWriter {
  static func write(_ number: Int64, into buffer: inout ByteBuffer) {
    var divisor: Int64 = 1
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      buffer.writeInteger(UInt8(truncatingIfNeeded: 48 + number / divisor % 10))
      divisor /= 10
    }
  }
}
