/// Why a request (or what an upstream answered) cannot be taken, in a word for programs and a sentence for people.
package struct DialectError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The closed list of words.
  package enum Reason: String, Sendable, CaseIterable {
    /// The body is not one JSON object.
    case malformedJSON = "malformed_json"
    /// A member stands twice, or beside a spelling of it that some programs take for the same.
    case ambiguousMember = "ambiguous_member"
    case missingMember = "missing_member"
    case wrongType = "wrong_type"
    case outOfRange = "out_of_range"
    /// It cannot be said in the dialect of the upstream.
    case untranslatable = "untranslatable"
    /// The answer of an upstream cannot be understood.
    case malformedAnswer = "malformed_answer"
  }

  package var reason: Reason
  package var message: String
  /// The member in question, as a path: `messages[2].content`; nil for the whole body.
  package var member: String?

  package init(_ reason: Reason, _ message: String, member: String? = nil) {
    self.reason = reason
    self.message = message
    self.member = member
  }

  package var description: String { message }
}

extension DialectError {
  init(_ flaw: JSONFlaw) { self.init(.malformedJSON, "the body is not well-formed JSON: at byte \(flaw.offset), \(flaw.kind.words)") }

  static func wrongType(_ member: String, _ wanted: String) -> Self { Self(.wrongType, "‘\(member)’ must be \(wanted)", member: member) }
}
