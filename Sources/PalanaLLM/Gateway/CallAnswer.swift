import NIOCore
import PalanaAPI

/// The answer of an upstream on its way to the agent, and what is read of it.
struct CallAnswer {
  let status: Int
  let isStream: Bool
  /// Events that say the usage only because the gateway asked for it are taken out.
  let hidesUsage: Bool
  /// When the first of what the model wrote came.
  var firstToken: NIODeadline?
  private var reader: UsageReader?
  private var scanner: EventScanner?
  private var whole: ByteBuffer?
  private let dialect: Dialect?
  private let limit: Int

  init(status: Int, isStream: Bool, dialect: Dialect?, hidesUsage: Bool, limits: LLMLimits) {
    self.status = status
    self.isStream = isStream
    self.hidesUsage = hidesUsage && isStream
    self.dialect = dialect
    limit = limits.answerBytes
    guard let dialect else { return }
    if isStream {
      reader = UsageReader(dialect: dialect)
      scanner = EventScanner(limit: limits.eventBytes)
    } else {
      whole = ByteBuffer()
    }
  }

  /// What is known of the answer so far.
  var report: AnswerReport {
    if let reader { return reader.current }
    guard let whole, let dialect else { return AnswerReport() }
    return UsageReader.report(of: whole, dialect: dialect)
  }

  /// Reads what came.
  ///
  /// - Parameter pass: called with what the agent gets of it, in order.
  mutating func take(_ bytes: ByteBuffer, pass: (ByteBuffer) -> Void) {
    guard isStream else {
      pass(bytes)
      // Slices of what came in: nothing is copied until it is read.
      if let kept = whole?.readableBytes {
        if kept + bytes.readableBytes <= limit { whole?.writeImmutableBuffer(bytes) } else { whole = nil }
      }
      return
    }
    if !hidesUsage { pass(bytes) }
    guard scanner != nil else { return hidesUsage ? pass(bytes) : () }
    scanner?.append(bytes)
    do throws(StreamFailure) {
      while let event = try scanner?.next() { take(event, pass: pass) }
    } catch {
      // It is passed on, and not understood any more.
      if hidesUsage, let rest = scanner?.finish() { pass(rest.raw) }
      scanner = nil
    }
  }

  /// There is no more.
  mutating func finish(pass: (ByteBuffer) -> Void) {
    if let last = scanner?.finish() { take(last, pass: pass) }
    scanner = nil
  }

  private mutating func take(_ event: StreamEvent, pass: (ByteBuffer) -> Void) {
    let role = reader?.take(event) ?? .other
    if role == .content, firstToken == nil { firstToken = .now() }
    if hidesUsage, role != .usageOnly { pass(event.raw) }
  }
}
