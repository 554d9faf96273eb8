/// The decoder of one value of a document.
struct StrictValue: Decoder {
  let value: JSONValue
  let codingPath: [any CodingKey]
  let notes: DecodingNotes
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let object) = value else { throw mismatch("an object") }
    // The synthesised coding keys of a type know its fields; those of a dictionary accept every name.
    let unknown = object.keys.filter { Key(stringValue: $0) == nil }
    let node = notes.node(path: codingPath, unknown: unknown)
    return KeyedDecodingContainer(StrictKeyed<Key>(object: object, codingPath: codingPath, notes: notes, node: node))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let elements) = value else { throw mismatch("a list") }
    return StrictUnkeyed(elements: elements, codingPath: codingPath, notes: notes)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer { StrictSingle(decoder: self) }

  func mismatch(_ wanted: String) -> FieldError {
    let hint = wanted == "text" && isScalar ? "; put it in quotes" : ""
    return FieldError(FieldPath.text(codingPath), "must be \(wanted), not \(value.typeName)\(hint)")
  }

  private var isScalar: Bool {
    switch value {
    case .number, .bool: true
    default: false
    }
  }

  func unbox<T: Decodable>(_ type: T.Type) throws -> T {
    if let plain = try plain(type) as? T { return plain }
    if case .null = value { throw FieldError(FieldPath.text(codingPath), "required") }
    if let choices = type as? any CaseIterable.Type, let words = Self.words(of: choices) {
      guard case .string(let word) = value else { throw mismatch("text") }
      guard words.contains(word) else {
        throw FieldError(
          FieldPath.text(codingPath), "‘\(word.prefix(60))’ is not one of \(words.joined(separator: ", "))")
      }
    }
    do {
      return try T(from: self)
    } catch {
      throw FieldError(decoding: error, at: codingPath)
    }
  }

  /// The raw values of an enumeration of texts; nil for every other type.
  private static func words<Choices: CaseIterable>(of type: Choices.Type) -> [String]? {
    var words: [String] = []
    for choice in type.allCases {
      guard let word = (choice as? any RawRepresentable)?.rawValue as? String else { return nil }
      words.append(word)
    }
    return words
  }

  /// The value as one of the types that JSON has itself; nil when `type` is none of them.
  private func plain(_ type: Any.Type) throws -> Any? {
    if type == JSONValue.self { return value }
    if type == String.self {
      guard case .string(let text) = value else { throw absent() ?? mismatch("text") }
      return text
    }
    if type == Bool.self {
      guard case .bool(let flag) = value else { throw absent() ?? mismatch("true or false") }
      return flag
    }
    if type == Double.self || type == Float.self {
      guard case .number(let number) = value, let double = number.double else { throw absent() ?? mismatch("a number") }
      return type == Double.self ? double : Float(double)
    }
    if let integer = type as? any FixedWidthInteger.Type {
      guard case .number(let number) = value else { throw absent() ?? mismatch("a whole number") }
      return try whole(number, integer)
    }
    return nil
  }

  private func absent() -> FieldError? {
    if case .null = value { FieldError(FieldPath.text(codingPath), "required") } else { nil }
  }

  private func whole<Integer: FixedWidthInteger>(_ number: JSONNumber, _ type: Integer.Type) throws -> Integer {
    guard let integer = number.integer(type) else {
      throw FieldError(FieldPath.text(codingPath), "must be a whole number from \(Integer.min) to \(Integer.max)")
    }
    return integer
  }
}

private struct StrictKeyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let object: JSONObject
  let codingPath: [any CodingKey]
  let notes: DecodingNotes
  let node: DecodingNotes.Node

  var allKeys: [Key] { object.keys.compactMap { Key(stringValue: $0) } }

  func contains(_ key: Key) -> Bool {
    node.asked.append(key.stringValue)
    return object[key.stringValue] != nil
  }

  private func child(_ key: Key) throws -> StrictValue {
    node.asked.append(key.stringValue)
    guard let value = object[key.stringValue] else {
      throw FieldError(FieldPath.text(codingPath + [key]), "required")
    }
    return StrictValue(value: value, codingPath: codingPath + [key], notes: notes)
  }

  func decodeNil(forKey key: Key) throws -> Bool { try child(key).value == .null }
  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try child(key).unbox(type) }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> { try child(key).container(keyedBy: type) }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try child(key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder {
    StrictValue(value: .object(object), codingPath: codingPath, notes: notes)
  }
  func superDecoder(forKey key: Key) throws -> any Decoder { try child(key) }
}

private struct StrictUnkeyed: UnkeyedDecodingContainer {
  let elements: [JSONValue]
  let codingPath: [any CodingKey]
  let notes: DecodingNotes
  var currentIndex = 0

  init(elements: [JSONValue], codingPath: [any CodingKey], notes: DecodingNotes) {
    self.elements = elements
    self.codingPath = codingPath
    self.notes = notes
  }

  var count: Int? { elements.count }
  var isAtEnd: Bool { currentIndex >= elements.count }

  private mutating func next() throws -> StrictValue {
    let path = codingPath + [FieldKey(intValue: currentIndex)]
    guard currentIndex < elements.count else { throw FieldError(FieldPath.text(path), "required") }
    defer { currentIndex += 1 }
    return StrictValue(value: elements[currentIndex], codingPath: path, notes: notes)
  }

  mutating func decodeNil() throws -> Bool {
    guard !isAtEnd, elements[currentIndex] == .null else { return false }
    currentIndex += 1
    return true
  }
  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try next().unbox(type) }
  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> { try next().container(keyedBy: type) }
  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }
  mutating func superDecoder() throws -> any Decoder { try next() }
}

private struct StrictSingle: SingleValueDecodingContainer {
  let decoder: StrictValue
  var codingPath: [any CodingKey] { decoder.codingPath }

  func decodeNil() -> Bool { decoder.value == .null }
  func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.unbox(type) }
}
