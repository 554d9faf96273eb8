import Crypto
import Foundation
import PalanaAudit
import PalanaCore

/// The head of the chain, noted outside the database after each batch, so that cutting off the end of the trail shows.
///
/// With a key the note carries an HMAC-SHA256: then somebody who can write both files, but does not know the key, cannot make
/// the note fit a shortened chain.
struct HeadNote: Sendable {
  let path: String
  let key: Redacted<[UInt8]>?

  /// What reading the note gave.
  enum Reading: Sendable {
    case none
    case link(AuditVerifier.Link)
    case forged
  }

  private struct Content: Codable {
    var seq: Int64
    var hash: String
    var mac: String?
  }

  /// Blocks.
  func read() -> Reading {
    guard let data = FileManager.default.contents(atPath: path) else { return .none }
    guard let content = try? JSONDecoder().decode(Content.self, from: data), content.seq >= 0,
      AuditChain.Hash(hex: Array(content.hash.utf8)) != nil
    else { return .forged }
    let link = AuditVerifier.Link(seq: content.seq, hash: content.hash)
    if let expected = mac(of: link) {
      guard let given = content.mac, ConstantTime.equal(given.utf8, expected.utf8) else { return .forged }
    }
    return .link(link)
  }

  /// Replaces the note and syncs it to the disk. Blocks.
  func write(_ link: AuditVerifier.Link) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let data = try encoder.encode(Content(seq: link.seq, hash: link.hash, mac: mac(of: link))) + [10]
    let partial = path + ".new"
    let files = FileManager.default
    guard files.createFile(atPath: partial, contents: nil, attributes: [.posixPermissions: 0o600]),
      let file = FileHandle(forWritingAtPath: partial)
    else { throw CocoaError(.fileWriteUnknown) }
    try file.write(contentsOf: data)
    try file.synchronize()
    try file.close()
    guard unsafe rename(partial, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
  }

  private func mac(of link: AuditVerifier.Link) -> String? {
    guard let key else { return nil }
    let text = "palana audit head \(link.seq) \(link.hash)"
    let code = HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: SymmetricKey(data: key.reveal()))
    return code.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
  }
}
