package import NIOCore

/// Reads what a model used and did out of its answer: a whole one, or event by event.
package struct UsageReader: Sendable {
  package let dialect: Dialect
  private var fields = UsageFields()
  private var report = AnswerReport()

  /// What an event is to the stream.
  package enum Role: Hashable, Sendable {
    /// Part of the answer.
    case content
    /// The chunk that is there only because the usage was asked for: who did not ask must not get it.
    case usageOnly
    /// The stream's end, by its dialect.
    case end
    /// The upstream says that something went wrong.
    case failure
    /// No data, or none that can be read.
    case other
  }

  package init(dialect: Dialect) { self.dialect = dialect }

  /// What a whole answer says. What cannot be read says nothing, and all its bytes count as output.
  package static func report(of answer: ByteBuffer, dialect: Dialect) -> AnswerReport {
    var reader = Self(dialect: dialect)
    var walk = AnswerWalk()
    let isReadable = (try? walk.read(answer.readableBytesUInt8Span, at: .root(dialect, isEvent: false))) != nil
    if !isReadable { walk = AnswerWalk(unreadable: answer.readableBytesUInt8Span) }
    reader.add(walk)
    return reader.current
  }

  /// What the events so far say.
  package var current: AnswerReport {
    var report = report
    report.usage = fields.usage(dialect)
    if report.usage == nil { report.isUsageFinal = false }
    return report
  }

  /// Reads the next event.
  package mutating func take(_ event: StreamEvent) -> Role {
    guard let data = event.data, data.readableBytes > 0 else { return .other }
    if event.isDone { return .end }
    let bytes = data.readableBytesUInt8Span
    var walk = AnswerWalk()
    guard (try? walk.read(bytes, at: .root(dialect, isEvent: true))) != nil else {
      report.output += TextSize(bytes)
      return .other
    }
    switch dialect {
    case .openAIChat, .openAIEmbeddings:
      add(walk)
      if walk.isError { return .failure }
      return walk.hasUsage && !walk.hasChoices ? .usageOnly : .content
    case .openAIResponses: return takeResponses(walk, bytes)
    case .anthropicMessages: return takeMessages(walk, bytes)
    }
  }

  private mutating func takeResponses(_ walk: AnswerWalk, _ bytes: borrowing Span<UInt8>) -> Role {
    var walk = walk
    func isOf(_ type: StaticString) -> Bool { walk.type.map { bytes.equals(type, at: $0) } ?? false }
    let isEnd = isOf("response.completed") || isOf("response.incomplete")
    let isFailure = isOf("response.failed") || isOf("error")
    if !isEnd, !isFailure { walk.finishReason = nil }
    // What is added is told by deltas, and again when it is done. Sounds are no text.
    let isAdded = isOf("response.output_item.added")
    let isDelta = walk.type.map { bytes.ends($0, with: ".delta") } ?? false
    if !isAdded { walk.toolCalls = [] }
    if !isDelta && !isAdded || isOf("response.audio.delta") { walk.output = TextSize() }
    walk.isError = isFailure
    add(walk)
    if isFailure { return .failure }
    return isEnd ? .end : .content
  }

  private mutating func takeMessages(_ walk: AnswerWalk, _ bytes: borrowing Span<UInt8>) -> Role {
    func isOf(_ type: StaticString) -> Bool { walk.type.map { bytes.equals(type, at: $0) } ?? false }
    let isFinal = report.isUsageFinal
    add(walk)
    report.isUsageFinal = isFinal || isOf("message_delta") && walk.hasUsage
    if isOf("error") { return .failure }
    return isOf("message_stop") ? .end : .content
  }

  private mutating func add(_ walk: AnswerWalk) {
    if walk.hasUsage {
      // Counts are totals so far: the last one counts, and Anthropic's later ones leave out what has not changed.
      if dialect == .anthropicMessages { fields.merge(walk.usage) } else { fields = walk.usage }
      report.isUsageFinal = true
    }
    report.output += walk.output
    report.finishReason = walk.finishReason ?? report.finishReason
    for name in walk.toolCalls where report.toolCalls.count < AnswerWalk.mostToolCalls { report.toolCalls.append(name) }
    report.isError = report.isError || walk.isError
  }
}

extension AnswerWalk {
  fileprivate init(unreadable bytes: borrowing Span<UInt8>) { output = TextSize(bytes) }
}

extension Span<UInt8> {
  fileprivate func ends(_ range: Range<Int>, with text: StaticString) -> Bool {
    let length = text.utf8CodeUnitCount
    return range.count >= length && equals(text, at: range.upperBound - length..<range.upperBound)
  }
}
