import NIOCore
import PalanaAPI

/// The answer of an upstream on its way to the agent, and what is read of it.
struct CallAnswer {
  /// What becomes of what the upstream says.
  enum Form {
    /// Byte for byte.
    case passed
    /// Without the events that say the usage only because the gateway asked for it.
    case withoutUsage
    /// Event by event, in the agent's dialect.
    case translatedEvents(StreamTranslation)
    /// As a whole, in the agent's dialect: the head waits for it too.
    case held(AnswerTranslator)
  }

  let status: Int
  let isStream: Bool
  /// When the first of what the model wrote came.
  var firstToken: NIODeadline?
  private var form: Form
  private var reader: UsageReader?
  private var scanner: EventScanner?
  private var whole: ByteBuffer?
  private let dialect: Dialect?
  private let limit: Int

  /// - Parameter dialect: what is read of it; nil: nothing.
  init(status: Int, isStream: Bool, dialect: Dialect?, form: Form = .passed, limits: LLMLimits) {
    self.status = status
    self.isStream = isStream
    self.dialect = dialect
    self.form = form
    limit = limits.answerBytes
    if isStream, let dialect {
      reader = UsageReader(dialect: dialect)
      scanner = EventScanner(limit: limits.eventBytes)
    } else if dialect != nil || isHeld {
      whole = ByteBuffer()
    }
  }

  /// Whether the agent gets nothing before all of it is here.
  var isHeld: Bool { if case .held = form { true } else { false } }

  /// What is known of the answer so far.
  var report: AnswerReport {
    if let reader { return reader.current }
    guard let whole, let dialect else { return AnswerReport() }
    return UsageReader.report(of: whole, dialect: dialect)
  }

  /// Reads what came.
  ///
  /// - Parameter pass: called with what the agent gets of it, in order.
  mutating func take(_ bytes: ByteBuffer, pass: (ByteBuffer) -> Void) throws(DialectError) {
    guard isStream else {
      if !isHeld { pass(bytes) }
      guard let kept = whole?.readableBytes else { return }
      if kept + bytes.readableBytes <= limit {
        whole?.writeImmutableBuffer(bytes)
      } else if isHeld {
        throw DialectError(.malformedAnswer, "the answer is longer than \(limit) bytes")
      } else {
        whole = nil
      }
      return
    }
    if case .passed = form { pass(bytes) }
    scanner?.append(bytes)
    // What is not understood any more is passed on as it is.
    if scanner == nil, case .withoutUsage = form { return pass(bytes) }
    do throws(StreamFailure) {
      while let event = try scanner?.next() { take(event, pass: pass) }
    } catch {
      if case .translatedEvents = form { throw DialectError(.malformedAnswer, "an event is longer than the gateway reads") }
      if case .withoutUsage = form, let rest = scanner?.finish() { pass(rest.raw) }
      scanner = nil
    }
  }

  /// There is no more.
  mutating func finish(pass: (ByteBuffer) -> Void) {
    if let last = scanner?.finish() { take(last, pass: pass) }
    scanner = nil
    guard case .translatedEvents(var translation) = form else { return }
    pass(translation.finish())
    form = .translatedEvents(translation)
  }

  /// An answer that was held, in the agent's dialect.
  func translated() throws(DialectError) -> ByteBuffer {
    guard case .held(let translator) = form, let whole else { return ByteBuffer() }
    return try translator.translate(whole, status: status)
  }

  private mutating func take(_ event: StreamEvent, pass: (ByteBuffer) -> Void) {
    let role = reader?.take(event) ?? .other
    if role == .content, firstToken == nil { firstToken = .now() }
    switch form {
    case .passed, .held: break
    case .withoutUsage: if role != .usageOnly { pass(event.raw) }
    case .translatedEvents(var translation):
      // Written back before anything else, so that its state is not copied.
      form = .passed
      let bytes = translation.take(event)
      form = .translatedEvents(translation)
      if bytes.readableBytes > 0 { pass(bytes) }
    }
  }
}
