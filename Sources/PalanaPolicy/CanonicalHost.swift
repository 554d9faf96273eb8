package import PalanaCore

/// A host in its only canonical form.
///
/// Every name that enters a decision goes through ``parse(_:)`` once, at the edge, so that a rule, the resolver, the
/// certificate and the log can never speak of different hosts.
package struct CanonicalHost: Hashable, Sendable, CustomStringConvertible {
  package enum Form: Hashable, Sendable {
    /// Lower-case ASCII labels without a trailing dot; IDN as A-labels.
    case name
    case address(IPAddress)
  }

  package let form: Form
  /// `api.github.com`, `192.0.2.1`, `2001:db8::1` (without brackets).
  package let description: String

  /// Only for the canonicaliser in this module.
  init(form: Form, description: String) {
    self.form = form
    self.description = description
  }

  /// The host of an address.
  package init(_ address: IPAddress) {
    form = .address(address)
    description = address.description
  }

  /// The address, when the host is one.
  package var address: IPAddress? {
    if case .address(let address) = form { return address }
    return nil
  }

  package static func == (left: Self, right: Self) -> Bool { left.description == right.description }
  // The text alone identifies a host: no name looks like an address (see `parse`).
  package func hash(into hasher: inout Hasher) { hasher.combine(description) }
}

extension CanonicalHost {
  /// The longest name in bytes, without the trailing dot (RFC 1035 §2.3.4 in text form).
  static let longestName = 253
  /// The longest label in bytes.
  static let longestLabel = 63

  /// Reads a name, a dotted-quad IPv4 address, or an IPv6 address with or without brackets.
  ///
  /// ASCII letters are lower-cased and one trailing dot is removed from a name. Labels have letters, digits, `-` (not
  /// at their ends) and `_`. Names outside ASCII are refused: converting them needs the tables of one Unicode version,
  /// and a different version at the upstream or in the resolver would be a different name; their A-label (`xn--…`) is
  /// accepted. Names whose last label is a number (`127.1`, `0x7f000001`, `2130706433`) are what old resolvers read as
  /// addresses: they are refused unless they are a strict dotted quad.
  ///
  /// - Throws: ``CanonicalizationError``.
  package static func parse(_ text: some StringProtocol) throws(CanonicalizationError) -> CanonicalHost {
    try parse(string: String(text))
  }

  /// ``parse(_:)`` for a text that is a `String` already: a canonical name is kept without copying its bytes.
  static func parse(string text: String) throws(CanonicalizationError) -> CanonicalHost {
    switch scan(text.utf8) {
    case .canonicalName: return CanonicalHost(form: .name, description: text)
    case .name: return try lowerCased(text)
    case .numeric:
      guard let address = IPAddress(text) else { throw .init(.addressSpelling) }
      return CanonicalHost(address)
    case .colon, .bracket: return CanonicalHost(try address6(text))
    case .bad(let problem): throw .init(problem)
    }
  }

  private enum Scan {
    case canonicalName, name, numeric, colon, bracket
    case bad(CanonicalizationError.Problem)
  }

  /// One pass over the bytes: what kind of host this is, and whether it is canonical already.
  private static func scan(_ bytes: String.UTF8View) -> Scan {
    let count = bytes.count
    guard count > 0 else { return .bad(.empty) }
    guard count <= longestName + 1 else { return .bad(.tooLong) }
    var canonical = true
    var label = 0
    var digits = true  // every byte of the current label is a digit
    var hexadecimal = 0  // how far the current label looks like 0x…: 0 no byte yet, 1 `0`, 2 `0x`, 3 not
    var last: UInt8 = 0
    var position = 0
    for byte in bytes {
      position += 1
      switch byte {
      case UInt8(ascii: "."):
        if label == 0 { return .bad(.emptyLabel) }
        if last == UInt8(ascii: "-") { return .bad(.hyphen) }
        last = byte
        if position == count {
          canonical = false
          if digits || hexadecimal == 2 { return .bad(.addressSpelling) }
          return count - 1 <= longestName ? .name : .bad(.tooLong)
        }
        label = 0
        digits = true
        hexadecimal = 0
        continue
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        if hexadecimal == 0 {
          hexadecimal = byte == UInt8(ascii: "0") ? 1 : 3
        } else if hexadecimal == 1 {
          hexadecimal = 3
        }
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
        digits = false
        let lower = byte | 0x20
        if lower != byte { canonical = false }
        if hexadecimal == 1, lower == UInt8(ascii: "x") {
          hexadecimal = 2
        } else if hexadecimal != 2 || lower > UInt8(ascii: "f") {
          hexadecimal = 3
        }
      case UInt8(ascii: "-"):
        if label == 0 { return .bad(.hyphen) }
        digits = false
        hexadecimal = 3
      case UInt8(ascii: "_"):
        digits = false
        hexadecimal = 3
      case UInt8(ascii: ":"): return .colon
      case UInt8(ascii: "["): return position == 1 ? .bracket : .bad(.character)
      case UInt8(ascii: "@"): return .bad(.userInformation)
      case 0x80...: return .bad(.notASCII)
      case 0..<0x21, 0x7f: return .bad(.control)
      default: return .bad(.character)
      }
      label += 1
      last = byte
      if label > longestLabel { return .bad(.labelTooLong) }
    }
    if last == UInt8(ascii: "-") { return .bad(.hyphen) }
    guard count <= longestName else { return .bad(.tooLong) }
    if digits || hexadecimal == 2 { return .numeric }
    return canonical ? .canonicalName : .name
  }

  private static func lowerCased(_ text: String) throws(CanonicalizationError) -> CanonicalHost {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      bytes.append((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte)
    }
    if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
    return CanonicalHost(form: .name, description: String(decoding: bytes, as: UTF8.self))
  }

  private static func address6(_ text: String) throws(CanonicalizationError) -> IPAddress {
    var inner = Substring(text)
    if inner.utf8.first == UInt8(ascii: "[") {
      guard inner.utf8.last == UInt8(ascii: "]") else { throw .init(.brackets) }
      inner = inner.dropFirst().dropLast()
    }
    // A zone (`%eth0`) names an interface of some machine, so it can't mean the same to the agent and to us.
    if inner.utf8.contains(UInt8(ascii: "%")) { throw .init(.zone) }
    let plain = inner.utf8.allSatisfy { CanonicalPath.hexadecimal($0) != nil || ":.".utf8.contains($0) }
    guard plain, let address = IPAddress(inner), case .v6 = address else { throw .init(.addressSpelling) }
    return address
  }
}
