/// Makes text from outside safe to show on a terminal.
///
/// An agent chooses its paths, host names and messages. An escape sequence among them could rewrite what an operator sees during an
/// incident, set the window's title, or answer a query into the shell's input.
enum TerminalText {
  /// `text` with every control character, line separator and bidirectional override shown as an escape such as `\x1b`.
  static func safe(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isDangerous) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isDangerous(scalar) { result += escape(scalar) } else { result.unicodeScalars.append(scalar) }
    }
    return result
  }

  /// As ``safe(_:)``, but tabs and colour sequences (`ESC [ digits ; … m`) stay: for an agent's own output on a terminal.
  /// The text ends with a reset when it set a colour.
  static func coloured(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var result = ""
    var hasColour = false
    var index = 0
    while index < scalars.count {
      if let end = colourSequence(scalars, from: index) {
        result.unicodeScalars.append(contentsOf: scalars[index..<end])
        hasColour = true
        index = end
        continue
      }
      let scalar = scalars[index]
      if scalar != "\t", isDangerous(scalar) { result += escape(scalar) } else { result.unicodeScalars.append(scalar) }
      index += 1
    }
    return hasColour ? result + "\u{1b}[0m" : result
  }

  /// The index after a colour sequence that starts at `start`, if one does.
  private static func colourSequence(_ scalars: [Unicode.Scalar], from start: Int) -> Int? {
    guard scalars[start] == "\u{1b}", start + 1 < scalars.count, scalars[start + 1] == "[" else { return nil }
    var index = start + 2
    // A real one is short; the bound keeps a flood of digits from being passed on.
    while index < scalars.count, index < start + 24 {
      let scalar = scalars[index]
      if scalar == "m" { return index + 1 }
      guard ("0"..."9").contains(scalar) || scalar == ";" || scalar == ":" else { return nil }
      index += 1
    }
    return nil
  }

  /// Control characters (C0, DEL, C1), line and paragraph separators, and the marks that reorder what follows.
  static func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f..<0xa0, 0x2028, 0x2029, 0x061c, 0x200e, 0x200f, 0x202a...0x202e, 0x2066...0x2069, 0xfeff: true
    default: false
    }
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    default:
      let hex = String(scalar.value, radix: 16)
      return scalar.value < 0x100
        ? "\\x" + String(repeating: "0", count: 2 - hex.count) + hex : "\\u{" + hex + "}"
    }
  }
}
