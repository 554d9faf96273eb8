/// Goes through one JSON document of an upstream and keeps what ``UsageReader`` asks for.
struct AnswerWalk {
  var usage = UsageFields()
  /// Whether there is a `usage` object.
  var hasUsage = false
  /// Whether an array of choices has an element.
  var hasChoices = false
  var output = TextSize()
  var finishReason: String?
  var toolCalls: [String] = []
  var type: Range<Int>?
  var isError = false

  private var tokens = JSONTokenizer()
  private var isFinishDetailed = false

  static let mostToolCalls = 128
  static let longestName = 128

  /// - Throws: ``JSONFlaw``; what was found before stays.
  mutating func read(_ bytes: borrowing Span<UInt8>, at root: AnswerPlace) throws(JSONFlaw) {
    let first = try tokens.next(bytes)
    try walk(root, first, bytes)
    _ = try tokens.next(bytes)
  }

  /// An object at `place`, or a list of them. It goes no deeper than the places do, and in lists of lists than the tokenizer does.
  private mutating func walk(_ place: AnswerPlace, _ first: JSONTokenizer.Token, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    switch first {
    case .beginObject:
      if case .choice = place { hasChoices = true }
      if case .usage = place { hasUsage = true }
      while case .name(let name) = try tokens.next(bytes) { try take(place.member(name.range, bytes), bytes) }
    case .beginArray:
      while true {
        let element = try tokens.next(bytes)
        if element == .endArray { return }
        try walk(place, element, bytes)
      }
    case .text(let text):
      // A list of texts in place of parts.
      if case .part = place { output += TextSize(text, bytes) }
    default: _ = try tokens.rest(of: first, bytes)
    }
  }

  private mutating func take(_ member: AnswerPlace.Member, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    let first = try tokens.next(bytes)
    switch member {
    case .object(let place): return try walk(place, first, bytes)
    case .text: return try walk(.part, first, bytes)
    case .json:
      let range = try tokens.rest(of: first, bytes)
      if range.count > 2 { output.signs &+= range.count }
      return
    case .tool:
      if case .text(let text) = first, text.range.count <= Self.longestName, !text.range.isEmpty, toolCalls.count < Self.mostToolCalls {
        toolCalls.append((try? bytes.unfolded(text)) ?? bytes.string(text.range))
        output += TextSize(text, bytes)
      }
    case .finish, .detailedFinish:
      guard case .text(let text) = first, text.range.count <= Self.longestName else { break }
      if case .detailedFinish = member { isFinishDetailed = true } else if isFinishDetailed { break }
      finishReason = bytes.string(text.range)
    case .number(let field):
      switch first {
      case .number(let range):
        if let number = bytes.integer(range), 0...UsageFields.most ~= Int64(number) {
          usage[field] = Int64(number)
        } else {
          usage.isBroken = true
        }
      case .null: break
      default: usage.isBroken = true
      }
    case .type: if case .text(let text) = first { type = text.range }
    case .error: if case .null = first {} else { isError = true }
    case .other: break
    }
    _ = try tokens.rest(of: first, bytes)
  }
}
