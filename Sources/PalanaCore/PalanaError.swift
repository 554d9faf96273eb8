/// An error that a person or a program can act on: what happened, and what to do about it.
///
/// It crosses the control API unchanged and becomes an exit code of `pcli`. It never carries a secret.
package struct PalanaError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The closed list of outcomes. The raw value is what stands in JSON.
  package enum Code: String, Sendable, Codable, CaseIterable {
    /// Something went wrong that is not one of the others.
    case failed
    /// What was asked makes no sense: a wrong field, flag or value.
    case invalid
    /// There is no such thing (or the caller may not know that there is).
    case notFound = "not_found"
    /// The caller, or policy, may not do this.
    case denied
    /// Somebody else changed it first, or it exists already, or its state forbids it.
    case conflict
    /// A part of the platform that is needed cannot be reached.
    case unreachable

    /// The exit code of a command that ended with this error.
    package var exitCode: Int32 {
      switch self {
      case .failed: 1
      case .invalid: 2
      case .notFound: 3
      case .denied: 4
      case .conflict: 5
      case .unreachable: 6
      }
    }
  }

  package var code: Code
  /// One sentence: what happened.
  package var message: String
  /// What to do next; empty when there is nothing to say.
  package var hint: String

  package init(_ code: Code, _ message: String, hint: String = "") {
    self.code = code
    self.message = message
    self.hint = hint
  }

  package var description: String { hint.isEmpty ? message : "\(message) (\(hint))" }
}

extension PalanaError: Codable {
  /// The wire form, `{"error":{"code":…,"message":…,"hint":…}}`.
  package struct Envelope: Codable, Sendable {
    package var error: PalanaError
    package init(_ error: PalanaError) { self.error = error }
  }
}
