import Crypto
import Foundation
import NIOCore
import NIOSSL
import PalanaCore
import PalanaPolicy
import SwiftASN1
import X509

/// Makes the certificate that a client inside a tunnel sees, for exactly one name or address.
struct LeafMint: Sendable {
  /// Leaves live for a week and are replaced before their last day.
  static let life: Duration = .seconds(7 * 86_400)
  static let renewBefore: Duration = .seconds(86_400)

  private let authority: CertificateAuthority
  /// One key for the life of this process: it never leaves memory, and a new one per name would buy nothing.
  private let leafKey: Certificate.PrivateKey
  private let tlsKey: NIOSSLPrivateKey
  private let authorityIdentifier: AuthorityKeyIdentifier
  private let leafIdentifier: SubjectKeyIdentifier

  init(authority: CertificateAuthority) throws(PalanaError) {
    self.authority = authority
    let secret = P256.Signing.PrivateKey()
    leafKey = Certificate.PrivateKey(secret)
    leafIdentifier = SubjectKeyIdentifier(hash: leafKey.publicKey)
    do {
      tlsKey = try NIOSSLPrivateKey(bytes: Array(secret.derRepresentation), format: .der)
      let issuer =
        try authority.certificate.extensions.subjectKeyIdentifier ?? SubjectKeyIdentifier(hash: authority.key.publicKey)
      authorityIdentifier = AuthorityKeyIdentifier(keyIdentifier: issuer.keyIdentifier)
    } catch {
      throw PalanaError(.failed, "the key for minted certificates could not be made")
    }
  }

  /// The DER form of a fresh certificate for `host`.
  func certificate(for host: CanonicalHost, now: Timestamp) throws -> [UInt8] {
    let alternative: GeneralName =
      switch host.form {
      case .name: .dnsName(host.description)
      case .address(let address): .ipAddress(ASN1OctetString(contentBytes: address.networkBytes[...]))
      }
    // A common name has at most 64 characters; verifiers look at the alternative name only.
    let text = host.description
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: leafKey.publicKey,
      notValidBefore: CertificateAuthority.date(now - .seconds(3600)),
      notValidAfter: CertificateAuthority.date(now + Self.life),
      issuer: authority.certificate.subject,
      subject: try DistinguishedName { CommonName(text.utf8.count <= 64 ? text : "Palana egress") },
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.serverAuth])
        SubjectAlternativeNames([alternative])
        leafIdentifier
        authorityIdentifier
      },
      issuerPrivateKey: authority.key)
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    return serializer.serializedBytes
  }

  /// A fresh certificate for `host` with its key as text, for a TLS server that is not in this process.
  func pem(for host: CanonicalHost, now: Timestamp) throws -> CertificateAuthority.PEMPair {
    let leaf = try Certificate(derEncoded: certificate(for: host, now: now))
    return CertificateAuthority.PEMPair(
      certificate: try leaf.serializeAsPEM().pemString, key: Redacted(try leafKey.serializeAsPEM().pemString))
  }

  /// A TLS server context that presents a fresh certificate for `host`.
  func context(for host: CanonicalHost, now: Timestamp) throws -> NIOSSLContext {
    try NIOSSLContext(configuration: configuration(for: host, now: now))
  }

  func configuration(for host: CanonicalHost, now: Timestamp) throws -> TLSConfiguration {
    let leaf = try NIOSSLCertificate(bytes: certificate(for: host, now: now), format: .der)
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(leaf)], privateKey: .privateKey(tlsKey))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["h2", "http/1.1"]
    // Clients present nothing, so no root has to be loaded.
    configuration.certificateVerification = .none
    configuration.trustRoots = .certificates([])
    configuration.shutdownTimeout = .seconds(1)
    return configuration
  }
}

extension IPAddress {
  /// Four or sixteen bytes in network order.
  var networkBytes: [UInt8] {
    switch self {
    case .v4(let value): (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    case .v6(let high, let low):
      (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - 8 * UInt64($0 % 8))) }
    }
  }

  /// Reads ``networkBytes`` back.
  init?(networkBytes bytes: some Collection<UInt8>) {
    switch bytes.count {
    case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
    case 16:
      self = .v6(
        bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }, bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
    default: return nil
    }
  }
}
