/// A range of bytes of a message head, counted from its first byte. A head is far smaller than four gigabytes.
struct ByteRange: Hashable, Sendable {
  var start: UInt32
  var end: UInt32

  @inline(__always)
  init(_ start: Int, _ end: Int) {
    self.start = UInt32(truncatingIfNeeded: start)
    self.end = UInt32(truncatingIfNeeded: end)
  }

  @inline(__always) var count: Int { Int(end) - Int(start) }
  @inline(__always) var range: Range<Int> { Int(start)..<Int(end) }
}

/// One header field of a head: where its name and value stand. The white space around the value is not part of it.
struct HeadField: Hashable, Sendable {
  var name: ByteRange
  var value: ByteRange
  var known: FieldName
}
