/// A value that must never be printed: a credential, a key, a token.
///
/// Every textual form (`description`, `debugDescription`, mirrors, string interpolation, `dump`) is the constant
/// mark `‹redacted›`. The value comes out only through ``reveal()``, a name that is easy to search for in a review.
/// It deliberately has no `Encodable` conformance: a secret is never serialised by accident.
package struct Redacted<Value: Sendable>: Sendable {
  private let value: Value

  /// Wraps `value`.
  package init(_ value: Value) { self.value = value }

  /// The wrapped value. Call it only where the bytes leave for the place they are meant for.
  package func reveal() -> Value { value }

  /// A redacted value made from this one.
  package func map<Other: Sendable>(_ transform: (Value) throws -> Other) rethrows -> Redacted<Other> {
    Redacted<Other>(try transform(value))
  }
}

extension Redacted: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "‹redacted›" }
  package var debugDescription: String { "‹redacted›" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}

extension Redacted where Value == String {
  /// Compares with another secret in time that depends on the lengths only.
  package func matches(_ other: Redacted<String>) -> Bool {
    ConstantTime.equal(value.utf8, other.value.utf8)
  }
}

/// Comparisons whose duration tells nothing about where two secrets differ.
package enum ConstantTime {
  /// Whether both sequences hold the same bytes.
  package static func equal(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for (a, b) in zip(left, right) { difference |= a ^ b }
    return difference == 0
  }
}
