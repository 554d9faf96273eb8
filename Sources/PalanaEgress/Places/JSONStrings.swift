/// Walks through a JSON document (RFC 8259) and shows its strings. Everything that two parsers could read differently is refused:
/// this is no lenient reader.
struct JSONStrings {
  enum Problem: Error, Hashable {
    case malformed
    case tooDeep
    /// Which of two members with one name counts is decided differently by every parser.
    case duplicateName
  }

  /// Containers within containers.
  static let deepest = 128

  private enum Container {
    case array
    case object(names: Set<[UInt8]>)
  }

  private let source: [UInt8]
  private var index = 0
  private var open: [Container] = []

  private init(_ source: [UInt8]) { self.source = source }

  /// Calls `visit` for each string with the range of its contents in `source` and whether it is the name of a member.
  ///
  /// - Throws: ``Problem``.
  static func walk(_ source: [UInt8], _ visit: (_ contents: Range<Int>, _ isName: Bool) throws -> Void) throws {
    guard String(validating: source, as: UTF8.self) != nil else { throw Problem.malformed }
    var walker = JSONStrings(source)
    try walker.document(visit)
  }

  private mutating func document(_ visit: (Range<Int>, Bool) throws -> Void) throws {
    var wantsValue = true
    while true {
      skipSpace()
      if wantsValue {
        wantsValue = try value(visit)
      } else if open.isEmpty {
        guard index == source.count else { throw Problem.malformed }
        return
      } else {
        wantsValue = try afterValue(visit)
      }
    }
  }

  /// - Returns: whether a value follows.
  private mutating func value(_ visit: (Range<Int>, Bool) throws -> Void) throws -> Bool {
    switch peek {
    case UInt8(ascii: "{"):
      try push(.object(names: []))
      skipSpace()
      if take(UInt8(ascii: "}")) {
        open.removeLast()
        return false
      }
      try name(visit)
      return true
    case UInt8(ascii: "["):
      try push(.array)
      skipSpace()
      if take(UInt8(ascii: "]")) {
        open.removeLast()
        return false
      }
      return true
    case UInt8(ascii: "\""):
      try visit(try string(), false)
      return false
    case UInt8(ascii: "t"): try literal("true")
    case UInt8(ascii: "f"): try literal("false")
    case UInt8(ascii: "n"): try literal("null")
    default: try number()
    }
    return false
  }

  private mutating func afterValue(_ visit: (Range<Int>, Bool) throws -> Void) throws -> Bool {
    let isArray = if case .array? = open.last { true } else { false }
    if take(UInt8(ascii: ",")) {
      if !isArray {
        skipSpace()
        try name(visit)
      }
      return true
    }
    guard take(isArray ? UInt8(ascii: "]") : UInt8(ascii: "}")) else { throw Problem.malformed }
    open.removeLast()
    return false
  }

  private mutating func name(_ visit: (Range<Int>, Bool) throws -> Void) throws {
    let contents = try string()
    guard let name = DecodedText(json: source, in: contents)?.bytes, case .object(var names)? = open.popLast() else {
      throw Problem.malformed
    }
    guard names.insert(name).inserted else { throw Problem.duplicateName }
    open.append(.object(names: names))
    try visit(contents, true)
    skipSpace()
    guard take(UInt8(ascii: ":")) else { throw Problem.malformed }
  }

  /// - Returns: the range between the quotes.
  private mutating func string() throws -> Range<Int> {
    guard take(UInt8(ascii: "\"")) else { throw Problem.malformed }
    let start = index
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        let contents = start..<(index - 1)
        // Only for its answer: escapes are well-formed.
        if source[contents].contains(UInt8(ascii: "\\")), DecodedText(json: source, in: contents) == nil {
          throw Problem.malformed
        }
        return contents
      case UInt8(ascii: "\\"): index += 2
      case 0..<0x20: throw Problem.malformed
      default: index += 1
      }
    }
    throw Problem.malformed
  }

  private mutating func number() throws {
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) { try digits() }
    if take(UInt8(ascii: ".")) { try digits() }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits()
    }
  }

  private mutating func digits() throws {
    let start = index
    while let byte = peek, ByteClass.isDigit(byte) { index += 1 }
    guard index > start else { throw Problem.malformed }
  }

  private mutating func literal(_ text: StaticString) throws {
    for byte in text.description.utf8 { guard take(byte) else { throw Problem.malformed } }
  }

  private mutating func push(_ container: Container) throws {
    guard open.count < Self.deepest else { throw Problem.tooDeep }
    open.append(container)
    index += 1
  }

  private var peek: UInt8? { index < source.count ? source[index] : nil }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    index += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { index += 1 }
  }
}
