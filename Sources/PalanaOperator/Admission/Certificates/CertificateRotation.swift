import Crypto
import Foundation
import PalanaCore
import SwiftASN1
import X509

/// Which certificates there should be at a moment. Pure but for the keys, which are random.
///
/// An authority in its last third gets a successor. That one is only trusted at first; after the overlap it signs, and the old one stays
/// trusted until its end. So whatever certificate some process still shows, and whatever bundle some API server still has, fit together.
struct CertificateRotation: Sendable {
  /// Names and addresses under which the webhooks are asked.
  var names: [String]
  var lifetimes: CertificateLifetimes

  /// - Returns: nil when everything is as it should be.
  func next(_ current: WebhookCertificates?, now: Timestamp) throws -> WebhookCertificates? {
    var authorities = (current?.authorities ?? []).filter { $0.until > now }
    var isChanged = authorities.count != current?.authorities.count
    if authorities.first.map({ $0.until - now < lifetimes.authority / 3 }) ?? true {
      authorities.insert(try authority(now), at: 0)
      isChanged = true
    }
    guard let signer = authorities.first(where: { $0.since + lifetimes.overlap <= now }) ?? authorities.last else { return nil }
    if let serving = current?.serving, isGood(serving, signer, now) {
      return isChanged ? WebhookCertificates(authorities: authorities, serving: serving) : nil
    }
    return WebhookCertificates(authorities: authorities, serving: try leaf(signer, now))
  }

  private func isGood(_ serving: WebhookCertificates.Serving, _ signer: WebhookCertificates.Authority, _ now: Timestamp) -> Bool {
    guard serving.until > now, signer.certificate.publicKey.isValidSignature(serving.certificate.signature, for: serving.certificate),
      let alternatives = try? serving.certificate.extensions.subjectAlternativeNames,
      Set(alternatives) == Set(names.map(Self.alternative))
    else { return false }
    // A new one would have to live longer than this one.
    return serving.until - now >= lifetimes.serving / 3 || min(now + lifetimes.serving, signer.until) <= serving.until
  }

  private static func alternative(_ name: String) -> GeneralName {
    IPAddress(name).map { .ipAddress(ASN1OctetString(contentBytes: $0.octets[...])) } ?? .dnsName(name)
  }

  private func authority(_ now: Timestamp) throws -> WebhookCertificates.Authority {
    let secret = P256.Signing.PrivateKey()
    let key = Certificate.PrivateKey(secret)
    let name = try DistinguishedName {
      OrganizationName("Palana")
      CommonName("Palana webhooks")
    }
    let identifier = SubjectKeyIdentifier(hash: key.publicKey)
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
      notValidBefore: (now - WebhookCertificates.skew).date, notValidAfter: (now + lifetimes.authority).date,
      issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(keyCertSign: true, cRLSign: true))
        identifier
        AuthorityKeyIdentifier(keyIdentifier: identifier.keyIdentifier)
      },
      issuerPrivateKey: key)
    return WebhookCertificates.Authority(certificate: certificate, key: Redacted(secret.pemRepresentation))
  }

  private func leaf(_ signer: WebhookCertificates.Authority, _ now: Timestamp) throws -> WebhookCertificates.Serving {
    let secret = P256.Signing.PrivateKey()
    let issuer = Certificate.PrivateKey(try P256.Signing.PrivateKey(pemRepresentation: signer.key.reveal()))
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: Certificate.PrivateKey(secret).publicKey,
      notValidBefore: (now - WebhookCertificates.skew).date, notValidAfter: min(now + lifetimes.serving, signer.until).date,
      issuer: signer.certificate.subject, subject: try DistinguishedName { CommonName("palana-webhooks") },
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.serverAuth])
        SubjectAlternativeNames(names.map(Self.alternative))
        SubjectKeyIdentifier(hash: Certificate.PrivateKey(secret).publicKey)
        AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: issuer.publicKey).keyIdentifier)
      },
      issuerPrivateKey: issuer)
    return WebhookCertificates.Serving(certificate: certificate, key: Redacted(secret.pemRepresentation))
  }
}

extension IPAddress {
  /// Four or sixteen bytes in network order.
  fileprivate var octets: [UInt8] {
    switch self {
    case .v4(let value): (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    case .v6(let high, let low):
      (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - 8 * UInt64($0 % 8))) }
    }
  }
}
