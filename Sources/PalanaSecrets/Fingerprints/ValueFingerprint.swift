/// What the gateway remembers of a value to recognise it, without keeping it: a fingerprint of each of its forms.
package final class ValueFingerprint: Sendable {
  let forms: [FormFingerprint]

  /// - Parameter value: only read here.
  package init(_ value: [UInt8], key: FingerprintKey) {
    forms = SecretForms.all(of: value).map { FormFingerprint($0, key: key) }
  }

  /// Whether there is anything to look for.
  package var isEmpty: Bool { forms.isEmpty }
}

/// The fingerprint of one form of a value.
struct FormFingerprint: Sendable {
  let length: Int
  /// Of the first eight bytes.
  let window: UInt64
  /// Of the eight bytes from the second byte on, from the third, and so on up to the eighth, as far as the form reaches.
  let openings: [UInt32]
  /// Of every further eight bytes, so that what begins like a value is told apart from it long before its end.
  private let checks: [UInt8]
  /// Of the last eight bytes.
  private let tail: UInt8
  private let whole: UInt64
  /// Of the first one to seven bytes, by their number less one.
  let prefixes: [UInt32]

  /// - Parameter form: ``SecretForms/shortest`` bytes at least.
  init(_ form: [UInt8], key: FingerprintKey) {
    length = form.count
    // The bytes are only read, within the length that was looked at.
    (window, openings, checks, tail, whole, prefixes) = unsafe form.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress, bytes.count >= SecretForms.shortest else { return (0, [], [], 0, 0, []) }
      return unsafe (
        key.window(base.word(at: 0)),
        (0..<min(7, bytes.count - 8)).map { unsafe key.opening(base.word(at: $0 + 1)) },
        stride(from: 8, through: bytes.count - 8, by: 8).map { unsafe key.check(base.word(at: $0)) },
        key.check(base.word(at: bytes.count - 8)), key.whole(bytes),
        (1...7).map { unsafe key.prefix(base.word(at: 0, count: $0)) }
      )
    }
  }

  enum Likeness {
    case none
    /// So far; more bytes are needed.
    case begun
    case whole
  }

  /// How much the `available` bytes at `base`, whose first eight are known to fit, are like the form. Not more than
  /// ``length`` bytes are looked at, and nearly always eight.
  func likeness(_ base: UnsafeRawPointer, available: Int, key: FingerprintKey) -> Likeness {
    if available >= length, unsafe key.check(base.word(at: length - 8)) != tail { return .none }
    var offset = 8
    for check in checks {
      guard offset + 8 <= available else { return .begun }
      guard unsafe key.check(base.word(at: offset)) == check else { return .none }
      offset += 8
    }
    guard available >= length else { return .begun }
    return unsafe key.whole(UnsafeRawBufferPointer(start: base, count: length)) == whole ? .whole : .none
  }
}
