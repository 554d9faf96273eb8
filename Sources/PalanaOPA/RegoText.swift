/// Finds where a text names a function, for error messages only: whether it is refused is decided on the syntax tree.
enum RegoText {
  /// The line, counted from 1, of the first place outside comments where `name` (dotted) stands, also as
  /// `http["send"]`.
  static func line(of name: String, in text: String) -> Int? {
    guard let last = name.split(separator: ".").last, let first = name.split(separator: ".").first else { return nil }
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let code = withoutComment(line)
      if code.contains(last), code.contains(first) { return number + 1 }
    }
    return nil
  }

  private static func withoutComment(_ line: Substring) -> Substring {
    var quoted = false
    var escaped = false
    for index in line.indices {
      let character = line[index]
      if escaped {
        escaped = false
      } else if character == "\\" {
        escaped = quoted
      } else if character == "\"" {
        quoted.toggle()
      } else if character == "#", !quoted {
        return line[..<index]
      }
    }
    return line
  }
}
