import Crypto
import Foundation
import NIOSSL
import SwiftASN1
import X509

/// An authority for the certificates of a test.
struct TestAuthority {
  private let certificate: Certificate
  private let key: Certificate.PrivateKey

  init(_ name: String) throws {
    key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let subject = try DistinguishedName { CommonName(name) }
    certificate = try Self.make(subject, of: key.publicKey, by: subject, key) {
      Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
      Critical(KeyUsage(keyCertSign: true))
    }
  }

  var pem: [UInt8] { get throws { Array(try certificate.serializeAsPEM().pemString.utf8) } }

  /// A certificate with its key, PEM, for either side of a connection; a server's is for 127.0.0.1 and `api.test`.
  func leaf(_ name: String, group: String = "team") throws -> (chain: [UInt8], key: [UInt8]) {
    let own = P256.Signing.PrivateKey()
    let subject = try DistinguishedName {
      OrganizationName(group)
      CommonName(name)
    }
    let leaf = try Self.make(subject, of: Certificate.PrivateKey(own).publicKey, by: certificate.subject, key) {
      Critical(BasicConstraints.notCertificateAuthority)
      try ExtendedKeyUsage([.serverAuth, .clientAuth])
      SubjectAlternativeNames([.ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])), .dnsName("api.test")])
    }
    return (Array(try leaf.serializeAsPEM().pemString.utf8), Array(own.pemRepresentation.utf8))
  }

  /// A server that knows whom it speaks to only by their certificates, if `wants`.
  func server(wantsCertificates wants: Bool = true) throws -> TLSConfiguration {
    let own = try leaf("server")
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMBytes(own.chain).map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(bytes: own.key, format: .pem)))
    if wants {
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(pem))
    }
    return configuration
  }

  private static func make(
    _ subject: DistinguishedName, of publicKey: Certificate.PublicKey, by issuer: DistinguishedName, _ key: Certificate.PrivateKey,
    @ExtensionsBuilder _ extensions: () throws -> Result<Certificate.Extensions, any Error>
  ) throws -> Certificate {
    try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: publicKey, notValidBefore: Date(timeIntervalSinceNow: -3600),
      notValidAfter: Date(timeIntervalSinceNow: 86_400), issuer: issuer, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try extensions().get(), issuerPrivateKey: key)
  }
}
