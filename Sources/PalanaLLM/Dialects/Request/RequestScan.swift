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
  /// What is said in the conversation, in order: the last ``mostTurns`` objects of its list. Empty when nobody asked for it.
  var turns: [Range<Int>] = []
  /// The content of a conversation that is one text.
  var turnText: Range<Int>?

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
  /// Of how many turns of a conversation it is kept where they stand.
  static let mostTurns = 128

  /// - Parameter findsTurns: whether it is kept where the turns of the conversation stand.
  /// - Throws: ``DialectError``.
  package init(_ body: ByteBuffer, dialect: Dialect, findsTurns: Bool = false) throws(DialectError) {
    try self.init(body.readableBytesUInt8Span, dialect: dialect, findsTurns: findsTurns)
  }

  /// - Parameter findsTurns: whether it is kept where the turns of the conversation stand.
  /// - Throws: ``DialectError``.
  package init(_ bytes: borrowing Span<UInt8>, dialect: Dialect, findsTurns: Bool = false) throws(DialectError) {
    call = ModelCall(dialect: dialect, model: "")
    call.wantsUsage = dialect != .openAIChat
    var reader = RequestReader(scan: self, findsTurns: findsTurns)
    do throws(JSONFlaw) {
      try reader.read(bytes)
    } catch {
      throw DialectError(error)
    }
    if let problem = reader.problem { throw problem }
    self = reader.scan
  }
}
