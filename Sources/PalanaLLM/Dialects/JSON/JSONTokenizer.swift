/// Reads JSON (RFC 8259) piece by piece out of bytes in memory, and checks on the way that it is well-formed.
///
/// Nothing is allocated and nothing is kept but where it stands: a prompt of megabytes costs one look at each byte. The bytes are given
/// to every call, and must be the same each time. There is no recursion; nesting ends at 64 levels.
struct JSONTokenizer {
  static let maximumDepth = 64

  /// Text in quotes.
  struct Text: Equatable {
    /// Where its content stands, without the quotes.
    var range: Range<Int>
    /// Whether there are escapes in it: then what it means is not what stands there.
    var isEscaped: Bool
    /// How many of its bytes belong to characters outside ASCII.
    var otherBytes: Int

    /// The text as a value, with its quotes.
    var value: Range<Int> { range.lowerBound - 1..<range.upperBound + 1 }
  }

  enum Token: Equatable {
    case beginObject
    case endObject
    case beginArray
    case endArray
    /// The name of a member; its value comes next.
    case name(Text)
    case text(Text)
    case number(Range<Int>)
    case bool(Bool, Range<Int>)
    case null(Range<Int>)
    case end
  }

  private enum State {
    case value
    case valueOrEnd
    case name
    case nameOrEnd
    case colon
    case commaOrEnd
    case ended
  }

  /// Behind what was read.
  private(set) var index = 0
  /// In how many objects and arrays the next token stands.
  private(set) var depth = 0
  /// One bit for each level, the innermost last: whether it is an object.
  private var levels: UInt64 = 0
  private var state = State.value

  private var isInObject: Bool { levels & 1 == 1 }

  /// - Throws: ``JSONFlaw``; nothing more can be read then.
  mutating func next(_ bytes: borrowing Span<UInt8>) throws(JSONFlaw) -> Token {
    while true {
      skipSpace(bytes)
      guard index < bytes.count else {
        guard state == .ended else { throw flaw(.endsTooEarly) }
        return .end
      }
      let byte = bytes[index]
      switch state {
      case .value: return try value(byte, bytes)
      case .valueOrEnd: return byte == UInt8(ascii: "]") ? close(.endArray) : try value(byte, bytes)
      case .nameOrEnd where byte == UInt8(ascii: "}"): return close(.endObject)
      case .name, .nameOrEnd:
        guard byte == UInt8(ascii: "\"") else { throw flaw(.expected("a name in quotes")) }
        state = .colon
        return .name(try text(bytes))
      case .colon:
        guard byte == UInt8(ascii: ":") else { throw flaw(.expected("‘:’")) }
        index += 1
        state = .value
      case .commaOrEnd:
        if byte == UInt8(ascii: ",") {
          index += 1
          state = isInObject ? .name : .value
        } else if byte == (isInObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
          return close(isInObject ? .endObject : .endArray)
        } else {
          throw flaw(.expected(isInObject ? "‘,’ or ‘}’" : "‘,’ or ‘]’"))
        }
      case .ended: throw flaw(.somethingFollows)
      }
    }
  }

  /// Passes over the value that comes next, whatever it is.
  ///
  /// - Returns: where it stands.
  mutating func skip(_ bytes: borrowing Span<UInt8>) throws(JSONFlaw) -> Range<Int> {
    let first = try next(bytes)
    return try rest(of: first, bytes)
  }

  /// Passes over what is left of a value whose first token was read.
  ///
  /// - Returns: where the value stands.
  mutating func rest(of first: Token, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) -> Range<Int> {
    switch first {
    case .beginObject, .beginArray: break
    case .text(let text), .name(let text): return text.value
    case .number(let range), .bool(_, let range), .null(let range): return range
    case .endObject, .endArray, .end: return index..<index
    }
    let start = index - 1
    let outside = depth - 1
    while depth > outside { _ = try next(bytes) }
    return start..<index
  }

  private func flaw(_ kind: JSONFlaw.Kind) -> JSONFlaw { JSONFlaw(kind: kind, offset: index) }

  private mutating func skipSpace(_ bytes: borrowing Span<UInt8>) {
    while index < bytes.count {
      let byte = bytes[index]
      guard byte == 32 || byte == 10 || byte == 13 || byte == 9 else { return }
      index += 1
    }
  }

  private mutating func open(_ isObject: Bool) throws(JSONFlaw) -> Token {
    guard depth < Self.maximumDepth else { throw flaw(.nestedTooDeep) }
    index += 1
    depth += 1
    levels = levels << 1 | (isObject ? 1 : 0)
    state = isObject ? .nameOrEnd : .valueOrEnd
    return isObject ? .beginObject : .beginArray
  }

  private mutating func close(_ token: Token) -> Token {
    index += 1
    depth -= 1
    levels >>= 1
    afterValue()
    return token
  }

  private mutating func afterValue() { state = depth == 0 ? .ended : .commaOrEnd }

  private mutating func value(_ byte: UInt8, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) -> Token {
    switch byte {
    case UInt8(ascii: "{"): return try open(true)
    case UInt8(ascii: "["): return try open(false)
    case UInt8(ascii: "\""):
      let text = try text(bytes)
      afterValue()
      return .text(text)
    case UInt8(ascii: "t"): return .bool(true, try word("true", bytes))
    case UInt8(ascii: "f"): return .bool(false, try word("false", bytes))
    case UInt8(ascii: "n"): return .null(try word("null", bytes))
    default:
      let start = index
      try number(bytes)
      afterValue()
      return .number(start..<index)
    }
  }

  private mutating func word(_ word: StaticString, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) -> Range<Int> {
    let end = index + word.utf8CodeUnitCount
    guard end <= bytes.count, bytes.equals(word, at: index..<end) else { throw flaw(.expected("a value")) }
    defer { index = end }
    afterValue()
    return index..<end
  }

  /// `-? int frac? exp?`, section 6.
  private mutating func number(_ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    let start = index
    var place = index
    func fail() -> JSONFlaw { JSONFlaw(kind: .expected("a value"), offset: start) }
    if bytes[place] == UInt8(ascii: "-") { place += 1 }
    let whole = digits(bytes, from: place)
    guard whole > place, bytes[place] != UInt8(ascii: "0") || whole == place + 1 else { throw fail() }
    place = whole
    if place < bytes.count, bytes[place] == UInt8(ascii: ".") {
      let end = digits(bytes, from: place + 1)
      guard end > place + 1 else { throw fail() }
      place = end
    }
    if place < bytes.count, bytes[place] | 0x20 == UInt8(ascii: "e") {
      place += 1
      if place < bytes.count, bytes[place] == UInt8(ascii: "+") || bytes[place] == UInt8(ascii: "-") { place += 1 }
      let end = digits(bytes, from: place)
      guard end > place else { throw fail() }
      place = end
    }
    index = place
  }

  private func digits(_ bytes: borrowing Span<UInt8>, from start: Int) -> Int {
    var end = start
    while end < bytes.count, (48...57).contains(bytes[end]) { end += 1 }
    return end
  }

  private mutating func text(_ bytes: borrowing Span<UInt8>) throws(JSONFlaw) -> Text {
    index += 1
    let start = index
    var isEscaped = false
    var otherBytes = 0
    while true {
      index = bytes.firstSpecial(from: index)
      guard index < bytes.count else { throw flaw(.endsTooEarly) }
      switch bytes[index] {
      case UInt8(ascii: "\""):
        index += 1
        return Text(range: start..<index - 1, isEscaped: isEscaped, otherBytes: otherBytes)
      case UInt8(ascii: "\\"):
        isEscaped = true
        try escape(bytes)
      case 0x80...:
        while index < bytes.count, bytes[index] >= 0x80 {
          let length = bytes.lengthOfScalar(at: index)
          guard length > 0 else { throw flaw(.notUTF8) }
          index += length
          otherBytes += length
        }
      default: throw flaw(.controlCharacter)
      }
    }
  }

  private mutating func escape(_ bytes: borrowing Span<UInt8>) throws(JSONFlaw) {
    guard index + 1 < bytes.count else { throw flaw(.endsTooEarly) }
    switch bytes[index + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
      UInt8(ascii: "r"), UInt8(ascii: "t"):
      index += 2
    case UInt8(ascii: "u"):
      guard index + 6 <= bytes.count else { throw flaw(.endsTooEarly) }
      for place in index + 2..<index + 6 {
        switch bytes[place] {
        case 48...57, 65...70, 97...102: continue
        default: throw flaw(.badEscape)
        }
      }
      index += 6
    default: throw flaw(.badEscape)
    }
  }
}
