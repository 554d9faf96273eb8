import PalanaCore

/// The spellings in which the value of a secret is recognised: as it is, and as usual encoders write it.
///
/// Each form is a byte string that is looked for on its own. A value that only holds letters and digits has few, because most
/// encoders leave it as it is.
package enum SecretForms {
  /// Bytes of the shortest value and of the shortest form: shorter ones stand in ordinary text by chance.
  static let shortest = 8
  /// Of a longer form its beginning is looked for.
  static let longest = 4096
  /// A value with fewer different bytes is not a secret, and would be found in every table of zeros.
  private static let fewestDifferentBytes = 4

  /// Every form once. Empty for a value that cannot be looked for.
  package static func all(of value: [UInt8]) -> Set<[UInt8]> {
    guard value.count >= shortest, Set(value).count >= fewestDifferentBytes else { return [] }
    // An escaped byte takes six at most, so what lies behind this cannot be part of a form.
    let value = Array(value.prefix(longest))
    var forms: Set<[UInt8]> = [value]
    // Most tokens hold nothing that an encoder would change, unless it changes everything.
    if !value.allSatisfy({ isAlphanumeric($0) || "-._".utf8.contains($0) }) {
      forms.formUnion(percentEncoded(value))
      forms.formUnion(escapedForJSON(value))
      forms.formUnion(escapedForHTML(value))
    }
    forms.formUnion(base64(value))
    for digits in [lowerDigits, upperDigits] {
      forms.insert(value.flatMap { hex($0, digits) })
      forms.insert(value.flatMap { [UInt8(ascii: "%")] + hex($0, digits) })
      forms.insert(value.flatMap { Array("\\u00".utf8) + hex($0, digits) })
    }
    return Set(forms.map(trimmed).filter { $0.count >= shortest })
  }

  /// The beginning that is looked for. A form that repeats itself is looked for as one period: that finds every place of the
  /// longer one, and keeps the search linear.
  private static func trimmed(_ form: [UInt8]) -> [UInt8] {
    let form = Array(form.prefix(longest))
    let period = period(of: form)
    return period * 2 <= form.count ? Array(form.prefix(max(period + shortest - 1, shortest))) : form
  }

  /// The smallest distance at which the text repeats itself: its length less its longest border (Knuth, Morris and Pratt).
  static func period(of text: [UInt8]) -> Int {
    var border = [Int](repeating: 0, count: text.count)
    for index in text.indices.dropFirst() {
      var length = border[index - 1]
      while length > 0, text[index] != text[length] { length = border[length - 1] }
      if text[index] == text[length] { length += 1 }
      border[index] = length
    }
    return text.count - (border.last ?? 0)
  }

  // MARK: Encodings

  private static let lowerDigits = Array("0123456789abcdef".utf8)
  private static let upperDigits = Array("0123456789ABCDEF".utf8)

  private static func hex(_ byte: UInt8, _ digits: [UInt8]) -> [UInt8] { [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }

  /// What encoders leave as it is besides letters and digits: RFC 3986 §2.3, JavaScript's two functions, Python's `quote`, the
  /// form encoding of the URL standard, and one that encodes everything.
  private static func percentEncoded(_ value: [UInt8]) -> [[UInt8]] {
    let kept: [Set<UInt8>] = ["-._~", "-._~!*'()", "-._~!*'();/?:@&=+$,#", "-._~/", "*-._"].map { Set($0.utf8) }
    var result: [[UInt8]] = []
    for digits in [lowerDigits, upperDigits] {
      func percent(_ byte: UInt8) -> [UInt8] { [UInt8(ascii: "%")] + hex(byte, digits) }
      for kept in kept {
        let encoded = value.map { isAlphanumeric($0) || kept.contains($0) ? [$0] : percent($0) }
        result.append(encoded.flatMap { $0 })
        result.append(zip(value, encoded).flatMap { $0 == 32 ? [UInt8(ascii: "+")] : $1 })
      }
    }
    return result
  }

  /// RFC 8259 §7 as encoders use it: with and without an escaped solidus, ASCII only or not, with what HTML acts on escaped, and
  /// with every character as `\u`.
  private static func escapedForJSON(_ value: [UInt8]) -> [[UInt8]] {
    let text = String(decoding: value, as: UTF8.self)
    let isText = Array(text.utf8) == value
    let extras: [Set<UInt8>] = ["", "<>&", "<>&'+`\""].map { Set($0.utf8) }
    var result: [[UInt8]] = []
    for digits in [lowerDigits, upperDigits] {
      func unicode(_ unit: UInt16) -> [UInt8] {
        Array("\\u".utf8) + hex(UInt8(unit >> 8), digits) + hex(UInt8(unit & 0xff), digits)
      }
      for extra in extras {
        for escapesSolidus in [false, true] {
          func escaped(_ byte: UInt8) -> [UInt8] {
            if extra.contains(byte) { return unicode(UInt16(byte)) }
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): return [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "/") where escapesSolidus: return [UInt8(ascii: "\\"), byte]
            case 9: return Array("\\t".utf8)
            default: return [byte]
            }
          }
          result.append(value.flatMap(escaped))
          guard isText else { continue }
          result.append(text.utf16.flatMap { $0 < 0x80 ? escaped(UInt8($0)) : unicode($0) })
        }
      }
      if isText { result.append(text.utf16.flatMap(unicode)) }
    }
    return result
  }

  private static func escapedForHTML(_ value: [UInt8]) -> [[UInt8]] {
    ["&#39;", "&#x27;", "&#039;", "'"].map { apostrophe in
      value.flatMap { byte -> [UInt8] in
        switch byte {
        case UInt8(ascii: "&"): Array("&amp;".utf8)
        case UInt8(ascii: "<"): Array("&lt;".utf8)
        case UInt8(ascii: ">"): Array("&gt;".utf8)
        case UInt8(ascii: "\""): Array("&quot;".utf8)
        case UInt8(ascii: "'"): Array(apostrophe.utf8)
        default: [byte]
        }
      }
    }
  }

  /// The digits that the value alone decides, for each of the three places that it may have in a longer text (so a Basic
  /// credential is found too), in both alphabets. What stands beside them holds less than six bits of it.
  private static func base64(_ value: [UInt8]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    for before in 0..<3 {
      let digits = Base64.encode(Array(repeating: 0, count: before) + value)
      let first = (before * 8 + 5) / 6
      let last = (before + value.count) * 8 / 6
      let core = Array(digits[first..<last])
      result.append(core)
      result.append(core.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: "-") : $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 })
    }
    return result
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (65...90).contains(byte) || (97...122).contains(byte) || (48...57).contains(byte)
  }
}
