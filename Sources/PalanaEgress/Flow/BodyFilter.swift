import NIOCore

/// Looks at contents as they pass, and may hold some back, change them or refuse the request.
///
/// A filter of a request body that has a stated length gives back as many bytes as it took. One of a response body may give
/// another number if ``Exchange/isResponseResized`` is set before the head is sent.
protocol BodyFilter {
  /// - Returns: what may go on now; nil when everything is held back.
  mutating func pass(_ contents: ByteBuffer) throws(Refusal) -> ByteBuffer?
  /// What was held back, once nothing follows.
  mutating func finish() throws(Refusal) -> ByteBuffer?
}

extension [any BodyFilter] {
  /// Through all of them, in order.
  mutating func pass(_ contents: ByteBuffer) throws(Refusal) -> ByteBuffer? {
    var contents: ByteBuffer? = contents
    for index in indices {
      guard let bytes = contents else { return nil }
      contents = try self[index].pass(bytes)
    }
    return contents
  }

  /// What each one held back goes through those after it.
  mutating func finish() throws(Refusal) -> ByteBuffer? {
    var result: ByteBuffer?
    for index in indices {
      var passed = try result.flatMap { (bytes) throws(Refusal) in try self[index].pass(bytes) }
      if var rest = try self[index].finish() {
        if passed?.writeBuffer(&rest) == nil { passed = rest }
      }
      result = passed
    }
    return result
  }
}
