/// Why bytes are not one JSON document, and where.
struct JSONFlaw: Error, Equatable {
  enum Kind: Equatable {
    case endsTooEarly
    case somethingFollows
    case expected(StaticString)
    case nestedTooDeep
    case controlCharacter
    case notUTF8
    case badEscape

    static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    var words: String {
      switch self {
      case .endsTooEarly: "the document ends too early"
      case .somethingFollows: "something follows the end of the document"
      case .expected(let what): "\(what) is expected"
      case .nestedTooDeep: "nested deeper than \(JSONTokenizer.maximumDepth) levels"
      case .controlCharacter: "a control character stands in text"
      case .notUTF8: "text is not valid UTF-8"
      case .badEscape: "unknown escape"
      }
    }
  }

  var kind: Kind
  /// From the first byte of the document, which is 0.
  var offset: Int
}
