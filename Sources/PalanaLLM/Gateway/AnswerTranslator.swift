import NIOCore
import PalanaCore

/// Between the dialect of an upstream and that of the agent, for one call.
struct AnswerTranslator: Sendable {
  /// What the upstream speaks.
  var upstream: Dialect
  /// What the agent speaks.
  var agent: Dialect
  var options: Translation

  init(from upstream: Dialect, to agent: Dialect, time: Timestamp) {
    self.upstream = upstream
    self.agent = agent
    options = Translation()
    options.created = Int(time.microseconds / 1_000_000)
  }

  /// The body of a request, as the upstream understands it.
  func request(_ body: ByteBuffer) throws(DialectError) -> ByteBuffer {
    ByteBuffer(bytes: try options.request(try Self.value(body, .malformedJSON), from: agent).encoded())
  }

  /// The body of an answer, or of an error, as the agent understands it.
  func translate(_ body: ByteBuffer, status: Int) throws(DialectError) -> ByteBuffer {
    guard status < 400 else { return ErrorBody(status: status, answer: body).bytes(agent) }
    return ByteBuffer(bytes: try options.answer(try Self.value(body, .malformedAnswer), from: upstream).encoded())
  }

  private static func value(_ body: ByteBuffer, _ reason: DialectError.Reason) throws(DialectError) -> JSONValue {
    do { return try JSONValue(parsing: body.readableBytesView) } catch {
      throw DialectError(reason, "the body is no JSON that can be translated: \(error)")
    }
  }
}
