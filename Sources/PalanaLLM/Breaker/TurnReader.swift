/// One turn of a conversation: whose it is, which tools it calls, where its texts stand. Reads messages of OpenAI's chat completions and of
/// Anthropic, and items of OpenAI's responses.
struct TurnReader {
  enum Author {
    case model
    case person
    /// The answer of a tool.
    case tool
    /// Standing orders.
    case system
  }

  struct ToolCall: Hashable {
    /// A number for the name and exactly these arguments.
    var exact: UInt64
    /// The same for arguments that differ in numbers only.
    var loose: UInt64
  }

  private(set) var author = Author.person
  /// In order.
  private(set) var calls: [ToolCall] = []
  /// Within the turn.
  private(set) var texts: [Range<Int>] = []

  /// Of one turn.
  private static let mostTexts = 64
  private static let mostCalls = 64

  /// A turn of the model that is longer is not taken apart, and is a text of a person.
  static let longest = 128 << 10
  /// A longer turn of somebody else is one text as it stands there.
  static let longestApart = 16 << 10
  /// Whose turn it is stands in so many bytes from its beginning, mostly.
  private static let head = 2 << 10

  /// How many bytes were looked at.
  private(set) var cost = 0
  private var candidate: Candidate?
  private var hasToolResult = false
  private var knowsAuthor = false

  private struct Candidate {
    var depth: Int
    var name: UInt64?
    var arguments: ToolCall?
  }

  /// - Parameters:
  ///   - bytes: of the turn alone. What is not well-formed is read as far as it goes.
  ///   - needsText: whether it matters what somebody else than the model says.
  init(_ bytes: borrowing Span<UInt8>, needsText: Bool) {
    if bytes.count > Self.head {
      readThrough(bytes.extracting(0..<Self.head), needsText: needsText)
      // Some libraries write whose turn it is behind what was said.
      let isModel = author == .model || !knowsAuthor
      let isWhole = bytes.count > (isModel ? Self.longest : Self.longestApart)
      if author == .model && isWhole { author = .person }
      guard !isWhole, needsText || isModel else {
        calls = []
        texts = isWhole ? [0..<bytes.count] : []
        return
      }
      (author, calls, texts, candidate, hasToolResult) = (.person, [], [], nil, false)
    }
    readThrough(bytes, needsText: needsText)
  }

  private mutating func readThrough(_ bytes: borrowing Span<UInt8>, needsText: Bool) {
    var tokens = JSONTokenizer()
    do throws(JSONFlaw) { try read(&tokens, bytes, needsText) } catch {}
    cost &+= tokens.index
    if author == .person, hasToolResult { author = .tool }
  }

  private mutating func read(_ tokens: inout JSONTokenizer, _ bytes: borrowing Span<UInt8>, _ needsText: Bool) throws(JSONFlaw) {
    var name: Range<Int>?
    while true {
      switch try tokens.next(bytes) {
      case .end: return
      case .name(let member):
        if bytes.equals("arguments", at: member.range) || bytes.equals("input", at: member.range) {
          let depth = tokens.depth
          note(arguments: try tokens.skip(bytes), depth, bytes)
          name = nil
        } else {
          name = member.range
        }
        continue
      case .text(let text):
        if let name { value(text.range, of: name, tokens.depth, bytes) } else { add(text.range) }
        // That is all there is to know of it.
        if !needsText, author == .tool || author == .system || hasToolResult { return }
      case .endObject: close(tokens.depth + 1)
      default: break
      }
      name = nil
    }
  }

  private mutating func value(_ text: Range<Int>, of name: Range<Int>, _ depth: Int, _ bytes: borrowing Span<UInt8>) {
    if bytes.equals("role", at: name) {
      if depth == 1 { role(text, bytes) }
    } else if bytes.equals("type", at: name) {
      if depth == 1 { type(text, bytes) }
      if bytes.equals("tool_result", at: text) { hasToolResult = true }
    } else if bytes.equals("name", at: name) {
      change(depth) { $0.name = bytes.fingerprint(text) }
    } else if !isAside(name, bytes) {
      add(text)
    }
  }

  /// Whether it says nothing to the model, and is another each time.
  private func isAside(_ name: Range<Int>, _ bytes: borrowing Span<UInt8>) -> Bool {
    bytes.equals("id", at: name) || bytes.equals("tool_call_id", at: name) || bytes.equals("call_id", at: name)
      || bytes.equals("tool_use_id", at: name) || bytes.equals("status", at: name) || bytes.equals("signature", at: name)
      || bytes.equals("encrypted_content", at: name)
  }

  private mutating func role(_ text: Range<Int>, _ bytes: borrowing Span<UInt8>) {
    knowsAuthor = true
    if bytes.equals("assistant", at: text) {
      author = .model
    } else if bytes.equals("tool", at: text) || bytes.equals("function", at: text) {
      author = .tool
    } else if bytes.equals("system", at: text) || bytes.equals("developer", at: text) {
      author = .system
    }
  }

  /// Of an item of the responses: a call of a tool, its answer, reasoning, or a message, whose role says more.
  private mutating func type(_ text: Range<Int>, _ bytes: borrowing Span<UInt8>) {
    func ends(with word: StaticString) -> Bool {
      let length = word.utf8CodeUnitCount
      return text.count >= length && bytes.equals(word, at: text.upperBound - length..<text.upperBound)
    }
    knowsAuthor = knowsAuthor || !bytes.equals("message", at: text)
    if ends(with: "_call") || bytes.equals("reasoning", at: text) { author = .model } else if ends(with: "_output") { author = .tool }
  }

  private mutating func add(_ text: Range<Int>) { if texts.count < Self.mostTexts, !text.isEmpty { texts.append(text) } }

  private mutating func note(arguments range: Range<Int>, _ depth: Int, _ bytes: borrowing Span<UInt8>) {
    var loose: UInt64 = 0
    var words = WordReader()
    let (head, tail) = bytes.ends(of: range, budget: 8 << 10)
    words.read(bytes, head) { loose = (loose ^ $0).mixed }
    words.read(bytes, tail) { loose = (loose ^ $0).mixed }
    let exact = bytes.fingerprint(range)
    change(depth) { $0.arguments = ToolCall(exact: exact, loose: loose) }
  }

  private mutating func change(_ depth: Int, _ change: (inout Candidate) -> Void) {
    var present = candidate ?? Candidate(depth: depth)
    if present.depth != depth { present = Candidate(depth: depth) }
    change(&present)
    candidate = present
  }

  /// An object with a name and arguments is a call, wherever it stands in a turn of the model.
  private mutating func close(_ depth: Int) {
    guard let candidate, candidate.depth == depth else { return }
    self.candidate = nil
    guard let name = candidate.name, let arguments = candidate.arguments, calls.count < Self.mostCalls else { return }
    calls.append(ToolCall(exact: (name ^ arguments.exact).mixed, loose: (name ^ arguments.loose).mixed))
  }
}
