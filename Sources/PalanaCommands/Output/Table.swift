/// Rows under headings. Every cell is made safe for a terminal; an empty one shows as `-`, so that columns can be counted.
struct Table: Sendable {
  /// A cell's meaning, shown as a colour on a terminal.
  enum Tone: Sendable { case plain, good, warning, bad, faint }

  /// One cell.
  struct Cell: Sendable, ExpressibleByStringLiteral {
    var text: String
    var tone: Tone

    init(_ text: String?, _ tone: Tone = .plain) {
      self.text = text ?? ""
      self.tone = tone
    }

    init(stringLiteral value: String) { self.init(value) }
  }

  var columns: [String]
  var rows: [[Cell]]

  init(_ columns: [String], rows: [[Cell]] = []) {
    self.columns = columns
    self.rows = rows
  }

  /// The lines of the table, columns two spaces apart, without spaces at the end of a line.
  /// - Parameters:
  ///   - colour: whether tones become colours and headings bold.
  ///   - minimum: widths that columns have at least, for tables that are written row by row.
  ///   - headings: whether the first line names the columns.
  func lines(colour: Bool, minimum: [Int] = [], headings: Bool = true) -> [String] {
    let cells = rows.map { row in row.map { (shown($0.text), $0.tone) } }
    var widths = columns.indices.map { index in
      max(headings ? columns[index].count : 0, index < minimum.count ? minimum[index] : 0)
    }
    for row in cells { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], width(cell.0)) } }
    var result: [String] = []
    if headings { result.append(line(columns.map { ($0, .plain) }, widths, colour ? "\u{1b}[1m" : nil)) }
    for row in cells { result.append(line(row, widths, nil, colour: colour)) }
    return result
  }

  private func shown(_ text: String) -> String { text.isEmpty ? "-" : TerminalText.safe(text) }

  private func line(_ cells: [(String, Tone)], _ widths: [Int], _ all: String?, colour: Bool = false) -> String {
    var text = ""
    for (index, cell) in cells.enumerated() {
      let padding = index == cells.count - 1 ? 0 : widths[index] - width(cell.0) + 2
      let code = colour ? Self.code(cell.1) : nil
      if let code { text += code + cell.0 + "\u{1b}[0m" } else { text += cell.0 }
      text += String(repeating: " ", count: max(0, padding))
    }
    return all.map { $0 + text + "\u{1b}[0m" } ?? text
  }

  /// Columns a text takes on a terminal: wide East Asian characters and most emoji take two, combining marks none.
  private func width(_ text: String) -> Int {
    guard text.utf8.contains(where: { $0 >= 0x80 }) else { return text.utf8.count }
    return text.reduce(0) { total, character in
      guard let scalar = character.unicodeScalars.first else { return total }
      switch scalar.value {
      case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
        0xffe0...0xffe6, 0x1f300...0x1f64f, 0x1f680...0x1faff, 0x20000...0x3fffd:
        return total + 2
      default: return total + 1
      }
    }
  }

  /// The colour of a tone.
  static func code(_ tone: Tone) -> String? {
    switch tone {
    case .plain: nil
    case .good: "\u{1b}[32m"
    case .warning: "\u{1b}[33m"
    case .bad: "\u{1b}[31m"
    case .faint: "\u{1b}[2m"
    }
  }
}
