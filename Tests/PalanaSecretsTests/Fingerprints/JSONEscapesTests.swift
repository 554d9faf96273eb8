import PalanaCore
import Testing

@testable import PalanaSecrets

@Suite struct JSONEscapesTests {
  static let cases: [(written: String, meant: String?)] = [
    ("plain", nil),
    (#"a line\n and \"quotes\" and a tab\t"#, nil),
    (#"\u0067hp"#, "ghp"),
    (#"a\/b"#, "a/b"),
    (#"a\/b\\c\"d\n\t\r\b\f"#, "a/b\\c\"d\n\t\r\u{8}\u{c}"),
    (#"\u00e9\u4E2D"#, "é中"),
    (#"\ud83d\ude00!"#, "😀!"),
    (#"\ud83d!\ude00"#, "\u{fffd}!\u{fffd}"),
    (#"\ud83d\u0041"#, "\u{fffd}A"),
    // Not four digits, cut off, alone at the end.
    (#"\u12g4 \u00"#, #"\u12g4 \u00"#),
    (#"\u"#, #"\u"#),
    (#"\/\"#, #"/\"#),
    // What is escaped itself begins nothing.
    (#"\\u0067"#, #"\u0067"#),
    (#"\/\\u0067"#, #"/\u0067"#),
  ]

  @Test(arguments: cases) func areUndone(_ written: String, _ meant: String?) {
    let text = Array(written.utf8)
    #expect(JSONEscapes.undone(text.span).map { String(decoding: $0, as: UTF8.self) } == meant)
  }

  /// Whatever stands there, the result is not longer than it.
  @Test func anyBytesAreTaken() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2_000 {
      let text = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
        Array(#"\u/0dDcC8e"x"#.utf8).randomElement(using: &generator) ?? 0
      }
      let undone = JSONEscapes.undone(text.span)
      #expect((undone?.count ?? 0) <= text.count, "\(text)")
    }
  }
}
