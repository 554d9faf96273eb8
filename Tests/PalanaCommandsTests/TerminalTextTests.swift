import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: what agents write cannot act on the terminal")
struct TerminalTextTests {
  @Test(
    "escapes are shown",
    arguments: [
      ("plain äöü 漢字 👍", "plain äöü 漢字 👍"), ("\u{1b}[2J", "\\x1b[2J"), ("a\r\nb\tc", "a\\r\\nb\\tc"),
      ("\u{9b}31m", "\\x9b31m"),
      ("\u{7f}\0", "\\x7f\\x00"), ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
      ("\u{2066}\u{2069}\u{2028}\u{feff}", "\\u{2066}\\u{2069}\\u{2028}\\u{feff}"),
      ("\u{1b}]0;title\u{07}", "\\x1b]0;title\\x07"),
    ])
  func safe(_ input: String, _ expected: String) {
    #expect(TerminalText.safe(input) == expected)
  }

  @Test(
    "of an agent's own output, colours and tabs stay",
    arguments: [
      ("\u{1b}[31mred\u{1b}[0m\tx", "\u{1b}[31mred\u{1b}[0m\tx\u{1b}[0m"), ("\u{1b}[2J", "\\x1b[2J"),
      ("\u{1b}[38;5;10mok", "\u{1b}[38;5;10mok\u{1b}[0m"), ("\u{1b}[31", "\\x1b[31"), ("\u{1b}[6n", "\\x1b[6n"),
      ("\u{1b}[" + String(repeating: "1;", count: 40) + "m", "\\x1b[" + String(repeating: "1;", count: 40) + "m"),
      ("\u{1b}]52;c;aGk=\u{07}", "\\x1b]52;c;aGk=\\x07"),
    ])
  func coloured(_ input: String, _ expected: String) {
    #expect(TerminalText.coloured(input) == expected)
  }

  @Test("cells are safe, empty ones are dashes, wide characters take two columns")
  func cells() {
    let table = Table(["A", "B", "C"], rows: [["\u{1b}[0m", "", "x"], ["漢", "é", "y"]])
    #expect(table.lines(colour: false) == ["A        B  C", "\\x1b[0m  -  x", "漢       é  y"])
  }

  @Test("JSON escapes what a terminal would obey")
  func json() {
    #expect(JSONText.compact(.string("\u{1b}\u{9b}\u{202e}\"\\\n")) == #""\u001b\u009b\u202e\"\\\n""#)
  }
}
