/// Goes through a body for ``RequestScan``.
struct RequestReader {
  var scan: RequestScan
  /// What is wrong with the request though it is JSON: the first thing that was found, said when the rest is known to be JSON.
  private(set) var problem: DialectError?

  private var tokens = JSONTokenizer()
  private var seen: UInt32 = 0

  private let findsTurns: Bool

  init(scan: RequestScan, findsTurns: Bool) {
    self.scan = scan
    self.findsTurns = findsTurns
  }

  private mutating func note(_ error: DialectError) { if problem == nil { problem = error } }

  mutating func read(_ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    let first = try tokens.next(bytes)
    guard first == .beginObject else {
      _ = try tokens.rest(of: first, bytes)
      _ = try tokens.next(bytes)
      return note(DialectError(.malformedJSON, "the body must be a JSON object"))
    }
    scan.start = tokens.index
    while case .name(let name) = try tokens.next(bytes) {
      var member: RequestMember?
      do throws(DialectError) {
        member = try RequestMember.named(name, in: bytes)
      } catch {
        note(error)
      }
      guard let member else {
        var meter = PromptMeter()
        try meter.read(&tokens, bytes)
        meter.add(to: &scan.call)
        continue
      }
      if seen & 1 << member.rawValue != 0 {
        note(DialectError(.ambiguousMember, "‘\(member.name)’ stands twice", member: member.name.description))
      }
      seen |= 1 << member.rawValue
      try read(member, bytes)
    }
    _ = try tokens.next(bytes)
    checkRequired()
  }

  private mutating func checkRequired() {
    func require(_ member: RequestMember) {
      guard seen & 1 << member.rawValue == 0 else { return }
      note(DialectError(.missingMember, "‘\(member.name)’ is missing", member: member.name.description))
    }
    require(.model)
    switch scan.call.dialect {
    case .openAIChat, .anthropicMessages: require(.messages)
    case .openAIEmbeddings: require(.input)
    case .openAIResponses: break
    }
  }

  private mutating func read(_ member: RequestMember, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    let dialect = scan.call.dialect
    switch (member, dialect) {
    case (.model, _): try model(bytes)
    case (.stream, .openAIChat), (.stream, .openAIResponses), (.stream, .anthropicMessages):
      scan.call.isStreaming = try flag(member, bytes)
    case (.background, .openAIResponses): scan.call.isInBackground = try flag(member, bytes)
    case (.streamOptions, .openAIChat): try streamOptions(bytes)
    case (.n, .openAIChat):
      if let number = try number(member, 1...128, bytes).number { scan.call.choices = number }
    case (.maxTokens, .openAIChat), (.maxCompletionTokens, .openAIChat), (.maxTokens, .anthropicMessages),
      (.maxOutputTokens, .openAIResponses):
      try limit(member, bytes)
    case (.messages, .openAIChat), (.messages, .anthropicMessages): try prompt(member, [.list], bytes)
    case (.input, .openAIResponses): try prompt(member, [.text, .list, .null], bytes)
    case (.input, .openAIEmbeddings): try prompt(member, [.text, .list], bytes)
    case (.system, .anthropicMessages): try prompt(member, [.text, .list, .null], bytes)
    case (.instructions, .openAIResponses): try prompt(member, [.text, .list, .null], bytes)
    case (.prompt, .openAIResponses): scan.call.readsStored = try prompt(member, [.object, .null], bytes) != .null || scan.call.readsStored
    case (.tools, .openAIChat), (.tools, .anthropicMessages), (.tools, .openAIResponses):
      scan.call.hasTools = try prompt(member, [.list, .null], bytes) != .null
    case (.previousResponse, .openAIResponses), (.conversation, .openAIResponses):
      let first = try tokens.next(bytes)
      _ = try tokens.rest(of: first, bytes)
      if case .null = first {} else { scan.call.readsStored = true }
    case (.metadata, _), (.user, _), (.safetyIdentifier, _), (.promptCacheKey, _): _ = try tokens.skip(bytes)
    default:
      // A member of another dialect: a model that takes it all the same reads it.
      var meter = PromptMeter()
      try meter.read(&tokens, bytes)
      meter.add(to: &scan.call)
    }
  }

  private mutating func model(_ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    let first = try tokens.next(bytes)
    scan.model = try tokens.rest(of: first, bytes)
    guard case .text(let text) = first else { return note(.wrongType("model", "text")) }
    guard 1...RequestScan.longestModel ~= text.range.count else {
      return note(DialectError(.outOfRange, "‘model’ must have 1 to \(RequestScan.longestModel) bytes", member: "model"))
    }
    do throws(DialectError) {
      scan.call.model = try bytes.unfolded(text)
    } catch {
      return note(error)
    }
    if scan.call.model.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) }) {
      note(DialectError(.outOfRange, "‘model’ holds a control character", member: "model"))
    }
  }

  private mutating func flag(_ member: RequestMember, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) -> Bool {
    let first = try tokens.next(bytes)
    switch first {
    case .bool(let flag, _): return flag
    case .null: return false
    default:
      _ = try tokens.rest(of: first, bytes)
      note(.wrongType(member.name.description, "true or false"))
      return false
    }
  }

  /// A whole number in digits, or null.
  private mutating func number(
    _ member: RequestMember, _ allowed: ClosedRange<Int>, _ bytes: borrowing Span<UInt8>
  ) throws(JSONFlaw) -> (number: Int?, range: Range<Int>) {
    let first = try tokens.next(bytes)
    let range = try tokens.rest(of: first, bytes)
    switch first {
    case .number:
      guard let number = bytes.integer(range) else {
        note(.wrongType(member.name.description, "a whole number, written in digits"))
        return (nil, range)
      }
      guard allowed.contains(number) else {
        let words = "‘\(member.name)’ must be from \(allowed.lowerBound) to \(allowed.upperBound)"
        note(DialectError(.outOfRange, words, member: member.name.description))
        return (nil, range)
      }
      return (number, range)
    case .null: return (nil, range)
    default:
      note(.wrongType(member.name.description, "a whole number"))
      return (nil, range)
    }
  }

  private mutating func limit(_ member: RequestMember, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    let (tokens, range) = try number(member, 0...Int(Int32.max), bytes)
    scan.limits.append(RequestScan.Limit(member: member, range: range, tokens: tokens))
    // Which of two bounds an upstream heeds is its own affair: the larger one is what it may cost.
    if let tokens { scan.call.maxOutput = max(tokens, scan.call.maxOutput ?? 0) }
  }

  private mutating func streamOptions(_ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    let first = try tokens.next(bytes)
    if case .null(let range) = first {
      scan.streamOptions = RequestScan.StreamOptions(range: range, isNull: true)
      return
    }
    guard first == .beginObject else {
      _ = try tokens.rest(of: first, bytes)
      return note(.wrongType("stream_options", "an object"))
    }
    let start = tokens.index - 1
    var options = RequestScan.StreamOptions(range: start..<start)
    while case .name(let name) = try tokens.next(bytes) {
      options.isEmpty = false
      let isUsage: Bool
      do throws(DialectError) {
        isUsage = try bytes.unfolded(name).lowercased().replacing("ſ", with: "s") == "include_usage"
      } catch {
        note(error)
        isUsage = false
      }
      let value = try tokens.next(bytes)
      let range = try tokens.rest(of: value, bytes)
      guard isUsage else { continue }
      if options.includeUsage != nil || !bytes.equals("include_usage", at: name.range) {
        note(
          DialectError(
            .ambiguousMember, "‘include_usage’ must stand once, and in this spelling", member: "stream_options.include_usage"))
      }
      options.includeUsage = range
      switch value {
      case .bool(let flag, _): scan.call.wantsUsage = flag
      case .null: break
      default: note(.wrongType("stream_options.include_usage", "true or false"))
      }
    }
    options.range = start..<tokens.index
    scan.streamOptions = options
  }

  private enum Shape: String {
    case text
    case list = "a list"
    case object = "an object"
    case null
    case other
  }

  @discardableResult
  private mutating func prompt(
    _ member: RequestMember, _ shapes: [Shape], _ bytes: borrowing Span<UInt8>
  ) throws(JSONFlaw) -> Shape {
    var meter = PromptMeter()
    if member == .input { meter.countsNumbers = scan.call.dialect == .openAIEmbeddings }
    if findsTurns, member == .messages || member == .input { meter.turns = TurnPlaces() }
    let first = try meter.read(&tokens, bytes)
    meter.add(to: &scan.call)
    if let turns = meter.turns {
      scan.turns = turns.inOrder
      if case .text(let text) = first { scan.turnText = text.range }
    }
    let shape: Shape =
      switch first {
      case .text: .text
      case .beginArray: .list
      case .beginObject: .object
      case .null: .null
      default: .other
      }
    if !shapes.contains(shape) {
      note(.wrongType(member.name.description, shapes.filter { $0 != .null }.map(\.rawValue).joined(separator: " or ")))
    }
    return shape
  }
}
