import Crypto
import FoundationEssentials
import PalanaCore

/// The beginning of a file of records: what its keys are made from. It is no secret, and is authenticated with every record.
struct ContentHeader: Hashable, Sendable {
  static let magic = Array("palana-content-1".utf8)
  static let count = 64

  /// `magic`, 16 bytes that no other file has, and 32 random bytes.
  let bytes: [UInt8]

  init() {
    var generator = SystemRandomNumberGenerator()
    bytes = Self.magic + (0..<(Self.count - Self.magic.count)).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
  }

  /// - Returns: nil for what is no such beginning.
  init?(_ bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.count, bytes.starts(with: Self.magic) else { return nil }
    self.bytes = Array(bytes)
  }

  /// Which file it is, in hexadecimal: a part of the file's name too.
  var id: String { identity.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

  fileprivate var identity: ArraySlice<UInt8> { bytes[16..<32] }
  fileprivate var salt: ArraySlice<UInt8> { bytes[32...] }
}

/// Seals and opens the parts of one file with keys of its own. Where a part stands is sealed with it: none can be moved, within the file or
/// to another one, and none can be left out before the last.
struct ContentSeal: Sendable {
  enum Part: UInt8 { case card = 1, body = 2 }

  /// What sealing adds: a nonce in front, a tag behind.
  static let overhead = 28
  /// Bytes of a mark.
  static let markBytes = 16

  private let header: ContentHeader
  private let partKey: SymmetricKey
  private let markKey: SymmetricKey

  init(_ master: SymmetricKey, _ header: ContentHeader) {
    self.header = header
    func derived(_ purpose: String) -> SymmetricKey {
      HKDF<SHA256>.deriveKey(
        inputKeyMaterial: master, salt: header.salt, info: Array("palana llm content \(purpose) ".utf8) + header.identity,
        outputByteCount: 32)
    }
    partKey = derived("part")
    markKey = derived("mark")
  }

  private func place(_ number: UInt64, _ kind: UInt8) -> [UInt8] { header.bytes + number.bytes + [kind] }

  /// AES-256-GCM with a random nonce; a key is used for one file only, so that none comes twice.
  func seal(_ plain: [UInt8], _ part: Part, of number: UInt64) throws -> [UInt8] {
    let box = try AES.GCM.seal(plain, using: partKey, authenticating: place(number, part.rawValue))
    return Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
  }

  /// - Returns: nil for what was not sealed here, at this place.
  func open(_ sealed: ArraySlice<UInt8>, _ part: Part, of number: UInt64) -> [UInt8]? {
    guard let box = try? AES.GCM.SealedBox(combined: sealed),
      let plain = try? AES.GCM.open(box, using: partKey, authenticating: place(number, part.rawValue))
    else { return nil }
    return Array(plain)
  }

  /// Stands behind the lengths of a record, so that a wrong length is told from a record that was not written to its end.
  func mark(_ lengths: some Sequence<UInt8>, of number: UInt64) -> [UInt8] {
    Array(HMAC<SHA256>.authenticationCode(for: place(number, 0) + lengths, using: markKey).prefix(Self.markBytes))
  }

  func isMark(_ mark: ArraySlice<UInt8>, _ lengths: ArraySlice<UInt8>, of number: UInt64) -> Bool {
    ConstantTime.equal(mark, self.mark(lengths, of: number))
  }
}

extension FixedWidthInteger {
  /// Most significant first.
  var bytes: [UInt8] { (0..<Self.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) } }
}
