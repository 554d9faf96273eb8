package import PalanaCore

/// The methods of a rule; empty means every method.
package struct MethodSet: Hashable, Sendable {
  /// Upper case, sorted, without duplicates.
  package let methods: [String]

  /// Every method.
  package static let any = MethodSet(sorted: [])

  private init(sorted: [String]) { methods = sorted }

  /// Reads written methods (`GET`, `get`): tokens of RFC 9110 §5.6.2, at most 32 bytes each.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`; also for CONNECT, which is never a request of its own here.
  package init(_ written: [String]) throws(PalanaError) {
    var seen: Set<String> = []
    for method in written {
      let shown = method.unicodeScalars.prefix(40).map { $0.value < 0x21 || $0.value == 0x7f ? "?" : String($0) }
        .joined()
      guard (1...32).contains(method.utf8.count), method.utf8.allSatisfy(Self.isToken) else {
        throw PalanaError(.invalid, "‘\(shown)’ is not a method", hint: "write for example GET or POST")
      }
      let upper = method.uppercased()
      guard upper != "CONNECT" else {
        throw PalanaError(
          .invalid, "CONNECT cannot stand in a rule", hint: "name the methods of the requests inside the tunnel")
      }
      seen.insert(upper)
    }
    methods = seen.sorted()
  }

  /// Whether every method is in the set.
  package var isAny: Bool { methods.isEmpty }

  /// Exact comparison: methods are case-sensitive (RFC 9110 §9.1).
  package func contains(_ method: String) -> Bool {
    if methods.isEmpty { return true }
    for candidate in methods where candidate == method { return true }
    return false
  }

  /// Whether a server that ignores case would see one of these methods: what deny rules ask.
  func containsIgnoringCase(_ method: String) -> Bool {
    contains(method) || methods.contains { $0.utf8.count == method.utf8.count && $0 == method.uppercased() }
  }

  private static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}
