import NIOCore

/// Writes the response head that the agent gets.
enum ClientHead {
  /// The fields without those of the other hop, and the framing restated for this one.
  ///
  /// - Parameter framing: as the agent gets it; nil keeps a stated length (a response to HEAD, 304) and adds nothing.
  static func write(
    _ head: ResponseHead, framing: MessageFraming?, closes: Bool, isUpgrade: Bool,
    into buffer: inout ByteBuffer
  ) {
    let fields = head.fields
    buffer.writeStaticString("HTTP/1.1 ")
    DecimalWriter.write(Int64(head.status), into: &buffer)
    buffer.writeStaticString(" ")
    unsafe buffer.writeBytes(fields.bytes.readableBytesUInt8Span.extracting(head.phrase.range).bytes)
    buffer.writeStaticString("\r\n")
    let named = HeaderPolicy.connectionNames(fields)
    FieldCopier.copy(fields, into: &buffer) { _, field in
      if field.known == .contentLength, framing != nil { return .skip }
      return travels(field, in: fields, named: named) ? .copy : .skip
    }
    switch framing {
    case .length(let count):
      buffer.writeStaticString("content-length: ")
      DecimalWriter.write(count, into: &buffer)
      buffer.writeStaticString("\r\n")
    case .chunked: buffer.writeStaticString("transfer-encoding: chunked\r\n")
    case nil, .some(.none), .untilClose: break
    }
    if isUpgrade {
      buffer.writeStaticString("connection: upgrade\r\nupgrade: websocket\r\n")
    } else if closes {
      buffer.writeStaticString("connection: close\r\n")
    }
    buffer.writeStaticString("\r\n")
  }

  /// Whether a field of a response goes on to the agent.
  ///
  /// - Parameter named: the names that the Connection field lists.
  static func travels(_ field: HeadField, in fields: HeadFields, named: [String]) -> Bool {
    switch field.known {
    case .connection, .transferEncoding, .te, .trailer, .upgrade, .proxyAuthorization: return false
    // Of the names that are dropped from requests only those of the hop are dropped from responses.
    case .dropped where endsHere(fields, field): return false
    default: return named.isEmpty || !named.contains(fields.text(field.name).lowercased())
    }
  }

  private static func endsHere(_ fields: HeadFields, _ field: HeadField) -> Bool {
    fields.equal(field.name, "keep-alive") || fields.text(field.name).lowercased().hasPrefix("proxy-")
  }
}
