/// A media type with its parameters (RFC 9110 §8.3.1), read strictly.
struct MediaType: Hashable {
  /// Lower-case `type/subtype`.
  let essence: String
  /// Names in lower case; the values as they mean.
  private let parameters: [String: String]

  /// - Returns: nil for anything that two readers could understand differently: also a parameter that stands twice.
  init?(_ text: String) {
    var reader = ParameterReader(Array(text.utf8))
    guard let type = reader.token(), reader.take(UInt8(ascii: "/")), let subtype = reader.token(),
      let parameters = reader.parameters()
    else { return nil }
    essence = "\(type)/\(subtype)".lowercased()
    self.parameters = parameters
  }

  func parameter(_ name: String) -> String? { parameters[name] }

  /// Whether text of this type is in UTF-8, as far as the type says.
  var isUTF8: Bool {
    guard let charset = parameters["charset"]?.lowercased() else { return true }
    return charset == "utf-8" || charset == "utf8" || charset == "us-ascii"
  }

  var isJSON: Bool {
    essence == "application/json" || essence.hasPrefix("application/") && essence.hasSuffix("+json")
  }
}

/// Reads `; name=value; name="quoted value"` as in Content-Type and Content-Disposition.
struct ParameterReader {
  private let bytes: [UInt8]
  private var index = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func take(_ byte: UInt8) -> Bool {
    guard index < bytes.count, bytes[index] == byte else { return false }
    index += 1
    return true
  }

  mutating func token() -> String? {
    let start = index
    while index < bytes.count, ByteClass.isToken(bytes[index]) { index += 1 }
    return index > start ? String(decoding: bytes[start..<index], as: UTF8.self) : nil
  }

  /// All parameters up to the end, with their names in lower case.
  ///
  /// - Returns: nil when they are malformed or one stands twice.
  mutating func parameters() -> [String: String]? {
    var result: [String: String] = [:]
    while true {
      skipSpace()
      if index == bytes.count { return result }
      guard take(UInt8(ascii: ";")) else { return nil }
      skipSpace()
      // A semicolon at the end is written by some clients.
      if index == bytes.count { return result }
      guard let name = token()?.lowercased(), take(UInt8(ascii: "=")),
        let value = take(UInt8(ascii: "\"")) ? quoted() : token(), result.updateValue(value, forKey: name) == nil
      else { return nil }
    }
  }

  /// What follows an opening quotation mark, up to the closing one.
  private mutating func quoted() -> String? {
    var value: [UInt8] = []
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: value, as: UTF8.self) }
      if byte == UInt8(ascii: "\\") {
        guard index < bytes.count else { return nil }
        value.append(bytes[index])
        index += 1
      } else {
        value.append(byte)
      }
    }
    return nil
  }

  private mutating func skipSpace() {
    while index < bytes.count, bytes[index] == 32 || bytes[index] == 9 { index += 1 }
  }
}
