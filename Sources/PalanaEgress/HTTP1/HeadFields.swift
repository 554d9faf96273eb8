import NIOCore

/// The fields of one message head over its bytes: nothing is copied until something has to change.
struct HeadFields {
  /// The whole head, with its first line and the empty line.
  private(set) var bytes: ByteBuffer
  private(set) var fields: [HeadField]

  /// Parses the field lines of `bytes` from `start`, the byte after the first line, strictly by RFC 9112 §5: no folding, no
  /// white space before the colon, no control characters.
  ///
  /// - Parameter storage: of an earlier head, to be used again.
  /// - Throws: ``HeadError``.
  init(_ bytes: ByteBuffer, from start: Int, limit: Int, reusing storage: consuming [HeadField]) throws(HeadError) {
    var fields = storage
    let span = bytes.readableBytesUInt8Span
    var position = start
    let end = span.count - 2
    fields.removeAll(keepingCapacity: true)
    while position < end {
      guard fields.count < limit else { throw .tooLarge }
      let nameStart = position
      while position < end, ByteClass.isToken(span[position]) { position += 1 }
      guard position < end, position > nameStart else {
        let first = nameStart < end ? span[nameStart] : 0
        if first == 32 || first == 9 { throw .malformed("a header field is folded over lines") }
        throw .malformed("a header field has a malformed name")
      }
      guard span[position] == UInt8(ascii: ":") else { throw .malformed("a header field has a malformed name") }
      let nameEnd = position
      position += 1
      while position < end, span[position] == 32 || span[position] == 9 { position += 1 }
      let valueStart = position
      while position < end, ByteClass.isFieldValue(span[position]) { position += 1 }
      // The scanner has made sure that every line feed follows a carriage return.
      guard position < end, span[position] == 13, span[position + 1] == 10 else {
        throw .malformed("a header field has a control character")
      }
      var valueEnd = position
      while valueEnd > valueStart, span[valueEnd - 1] == 32 || span[valueEnd - 1] == 9 { valueEnd -= 1 }
      position += 2
      fields.append(
        HeadField(
          name: ByteRange(nameStart, nameEnd), value: ByteRange(valueStart, valueEnd),
          known: FieldName(span.extracting(nameStart..<nameEnd))))
    }
    self.bytes = bytes
    self.fields = fields
  }

  /// The same fields over other bytes of the same layout.
  func replacing(_ bytes: ByteBuffer) -> HeadFields {
    var fields = self
    fields.bytes = bytes
    return fields
  }

  /// A copy of some bytes of the head as text; bytes that are not UTF-8 become the replacement character.
  func text(_ range: ByteRange) -> String {
    bytes.getString(at: bytes.readerIndex + Int(range.start), length: range.count) ?? ""
  }

  /// As ``text(_:)``, in lower case. Names that came over HTTP/2 are already.
  func lowerText(_ range: ByteRange) -> String {
    let text = text(range)
    return text.utf8.contains { ByteClass.lowercase($0) != $0 } ? text.lowercased() : text
  }

  /// Whether the bytes are `lower`, without regard to case.
  func equal(_ range: ByteRange, _ lower: StaticString) -> Bool {
    FieldName.equal(bytes.readableBytesUInt8Span.extracting(range.range), lower)
  }

  /// A copy of some bytes of the head.
  func array(_ range: ByteRange) -> [UInt8] {
    bytes.getBytes(at: bytes.readerIndex + Int(range.start), length: range.count) ?? []
  }

  /// Whether the bytes are exactly `other`.
  func isExactly(_ range: ByteRange, _ other: [UInt8]) -> Bool {
    guard range.count == other.count else { return false }
    let span = bytes.readableBytesUInt8Span
    var index = Int(range.start)
    for byte in other {
      if span[index] != byte { return false }
      index += 1
    }
    return true
  }

  /// The only field of this name; nil when there is none.
  /// - Throws: ``HeadError`` when there are several: each hop would choose its own.
  func single(_ known: FieldName, _ problem: StaticText) throws(HeadError) -> HeadField? {
    var found: HeadField?
    for field in fields where field.known == known {
      guard found == nil else { throw .malformed(problem) }
      found = field
    }
    return found
  }

  /// Calls `body` for each non-empty element of the comma-separated lists in all fields of this name.
  func forEachElement(of known: FieldName, _ body: (ByteRange) throws(HeadError) -> Void) throws(HeadError) {
    let span = bytes.readableBytesUInt8Span
    for field in fields where field.known == known {
      var start = Int(field.value.start)
      let end = Int(field.value.end)
      while start <= end {
        var stop = start
        while stop < end, span[stop] != UInt8(ascii: ",") { stop += 1 }
        var low = start
        var high = stop
        while low < high, span[low] == 32 || span[low] == 9 { low += 1 }
        while high > low, span[high - 1] == 32 || span[high - 1] == 9 { high -= 1 }
        if high > low { try body(ByteRange(low, high)) }
        start = stop + 1
      }
    }
  }
}
