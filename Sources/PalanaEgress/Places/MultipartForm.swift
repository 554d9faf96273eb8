/// A body of the type `multipart/form-data` (RFC 7578) in its parts, read so strictly that every other reader finds the same parts.
struct MultipartForm {
  /// One part, as ranges of the source.
  struct Part {
    var header: Range<Int>
    var contents: Range<Int>
    /// Nil when the part does not say it, or in a way that could be read differently.
    var name: String?
    /// A field of the form in plain UTF-8; files and everything else are none.
    var isField: Bool
  }

  private static let mostParts = 1024
  private static let longestHeader = 8192

  let parts: [Part]
  /// `--` and the boundary.
  let delimiter: [UInt8]

  /// - Returns: nil when it is malformed, has text before the first part or behind the last one, or too many parts.
  init?(_ source: [UInt8], boundary: String) {
    guard Self.isBoundary(boundary) else { return nil }
    delimiter = Array("--\(boundary)".utf8)
    let between = [13, 10] + delimiter
    let blankLine: [UInt8] = [13, 10, 13, 10]
    let span = source.span
    guard source.starts(with: delimiter) else { return nil }
    var parts: [Part] = []
    var position = delimiter.count
    while true {
      guard parts.count < Self.mostParts else { return nil }
      guard Self.line(source, at: position) else { return nil }
      position += 2
      guard let end = Bytes.firstIndex(of: between.span, in: span, from: position),
        let blank = Bytes.firstIndex(of: blankLine.span, in: span, from: position), blank < end,
        blank - position <= Self.longestHeader
      else { return nil }
      guard let part = Self.part(source, header: position..<blank, contents: (blank + 4)..<max(blank + 4, end)),
        blank + 4 <= end
      else { return nil }
      parts.append(part)
      position = end + between.count
      if position + 1 < source.count, source[position] == UInt8(ascii: "-"), source[position + 1] == UInt8(ascii: "-") {
        position += 2
        guard position == source.count || position + 2 == source.count && Self.line(source, at: position) else {
          return nil
        }
        self.parts = parts
        return
      }
    }
  }

  /// RFC 2046 §5.1.1, without the space.
  private static func isBoundary(_ text: String) -> Bool {
    (1...70).contains(text.utf8.count)
      && text.utf8.allSatisfy { ByteClass.isUnreserved($0) || "'()+,/:=?".utf8.contains($0) }
  }

  private static func line(_ source: [UInt8], at index: Int) -> Bool {
    index + 1 < source.count && source[index] == 13 && source[index + 1] == 10
  }

  private static func part(_ source: [UInt8], header: Range<Int>, contents: Range<Int>) -> Part? {
    guard let text = String(validating: source[header], as: UTF8.self) else { return nil }
    var fields: [String: String] = [:]
    for line in text.split(separator: "\r\n", omittingEmptySubsequences: false) {
      guard let colon = line.firstIndex(of: ":"), !line.utf8.contains(where: { $0 < 0x20 && $0 != 9 }) else {
        return nil
      }
      let name = line[..<colon].lowercased()
      guard !name.isEmpty, name.utf8.allSatisfy(ByteClass.isToken) else { return nil }
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      guard fields.updateValue(String(value), forKey: name) == nil else { return nil }
    }
    guard let disposition = fields["content-disposition"] else { return nil }
    var reader = ParameterReader(Array(disposition.utf8))
    guard reader.token()?.lowercased() == "form-data", let parameters = reader.parameters() else { return nil }
    let isFile = parameters["filename"] != nil || parameters["filename*"] != nil
    let name = parameters["name*"] == nil ? parameters["name"] : nil
    return Part(
      header: header, contents: contents, name: name,
      isField: !isFile && name != nil && isPlain(fields["content-type"]) && isWritten(fields["content-transfer-encoding"]))
  }

  private static func isPlain(_ type: String?) -> Bool {
    guard let type else { return true }
    guard let parsed = MediaType(type) else { return false }
    return parsed.essence == "text/plain" && parsed.isUTF8
  }

  /// Whether the contents stand there as they are.
  private static func isWritten(_ encoding: String?) -> Bool {
    encoding.map { ["7bit", "8bit", "binary"].contains($0.lowercased()) } ?? true
  }

  /// How often the delimiter stands in a text, also where it ends nothing for a strict reader.
  static func count(_ delimiter: [UInt8], in text: [UInt8]) -> Int {
    var count = 0
    var position = 0
    while let found = Bytes.firstIndex(of: delimiter.span, in: text.span, from: position) {
      count += 1
      position = found + 1
    }
    return count
  }
}
