/// Why a message is refused at the edge. Whatever two parsers could read differently is an error, never repaired.
enum HeadError: Error, Hashable {
  /// The head, or one of its lines, is larger than its limit.
  case tooLarge
  /// Not the grammar of RFC 9112; the text says what, and repeats nothing of the message.
  case malformed(StaticText)
}

/// A constant text, so that no byte of a message can get into an explanation.
struct StaticText: Hashable, ExpressibleByStringLiteral, CustomStringConvertible, Sendable {
  let description: String
  init(stringLiteral value: StaticString) { description = "\(value)" }
}
