import NIOSSL
import PalanaPolicy
import SwiftASN1
import X509

/// Whether a certificate is for the name that was asked for.
///
/// NIOSSL also takes a certificate that names the address which was dialled, whatever the name is. An attacker who answers for
/// the name server could then show a genuine certificate for an address of his own, so for a name only names count.
enum PeerName {
  /// - Parameter leaf: a certificate that NIOSSL has taken for this connection.
  static func isProven(_ host: CanonicalHost, by leaf: NIOSSLCertificate) -> Bool {
    guard host.address == nil else { return true }
    guard let bytes = try? leaf.toDERBytes(), let certificate = try? Certificate(derEncoded: bytes),
      let names = try? certificate.extensions.subjectAlternativeNames
    else { return false }
    return names.contains { name in
      guard case .dnsName(let text) = name else { return false }
      return matches(Array(text.utf8), Array(host.description.utf8))
    }
  }

  /// RFC 6125 §6.4: equal without regard to case, or a star as the whole first label.
  private static func matches(_ pattern: [UInt8], _ host: [UInt8]) -> Bool {
    var pattern = pattern.map(ByteClass.lowercase)[...]
    if pattern.last == UInt8(ascii: ".") { pattern.removeLast() }
    guard pattern.starts(with: "*.".utf8) else { return pattern.elementsEqual(host) }
    let rest = pattern.dropFirst()
    guard rest.dropFirst().contains(UInt8(ascii: ".")), let dot = host.firstIndex(of: UInt8(ascii: ".")), dot > 0 else {
      return false
    }
    return rest.elementsEqual(host[dot...])
  }
}
