package import NIOCore

/// One look at each byte of a request's body: whether it is a JSON object in UTF-8, what it asks for, and where that stands, so that it can
/// be changed in place (``RequestEdit``).
///
/// What two programs could read differently is refused: members that matter and stand twice, or in another spelling.
package struct RequestScan: Hashable, Sendable {
  package internal(set) var call: ModelCall

  /// Right behind the brace that opens the body.
  var start = 0
  var model = 0..<0
  /// The values of the members that bound the output, where they stand.
  var limits: [Limit] = []
  var streamOptions: StreamOptions?

  struct Limit: Hashable, Sendable {
    var member: RequestMember
    var range: Range<Int>
    /// Nil for `null`.
    var tokens: Int?
  }

  struct StreamOptions: Hashable, Sendable {
    var range: Range<Int>
    var isNull = false
    /// Whether there is nothing in it.
    var isEmpty = true
    var includeUsage: Range<Int>?
  }

  /// The longest name of a model, in bytes.
  static let longestModel = 256

  /// - Throws: ``DialectError``.
  package init(_ body: ByteBuffer, dialect: Dialect) throws(DialectError) { try self.init(body.readableBytesUInt8Span, dialect: dialect) }

  /// - Throws: ``DialectError``.
  package init(_ bytes: borrowing Span<UInt8>, dialect: Dialect) throws(DialectError) {
    call = ModelCall(dialect: dialect, model: "")
    call.wantsUsage = dialect != .openAIChat
    var reader = RequestReader(scan: self)
    do throws(JSONFlaw) {
      try reader.read(bytes)
    } catch {
      throw DialectError(error)
    }
    if let problem = reader.problem { throw problem }
    self = reader.scan
  }
}
