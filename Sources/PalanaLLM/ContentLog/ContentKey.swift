import Crypto
package import PalanaCore

/// The key of the content log. It is in the secret store and in memory, and nowhere else.
package struct ContentKey: Sendable {
  let symmetric: SymmetricKey

  /// - Throws: ``PalanaError`` with code `failed` unless it has 32 bytes.
  package init(_ bytes: Redacted<[UInt8]>) throws(PalanaError) {
    guard bytes.reveal().count == 32 else { throw PalanaError(.failed, "the key of the content log does not have 32 bytes") }
    symmetric = SymmetricKey(data: bytes.reveal())
  }

  /// A new one, as text for the secret store.
  package static func make() -> Redacted<String> { Redacted(RandomToken.hex(bytes: 32)) }

  /// - Parameter text: as ``make()`` writes it.
  /// - Throws: ``PalanaError`` with code `failed`.
  package init(text: Redacted<String>) throws(PalanaError) {
    let digits = Array(text.reveal().utf8)
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count - 1, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) else { break }
      bytes.append(byte)
    }
    try self.init(Redacted(bytes))
  }
}
