import Crypto
import Foundation
package import PalanaCore
import SwiftASN1
import X509

/// The certificate authority of one installation, trusted only inside its agents.
///
/// The private key lives in this value's memory and in the secret store, nowhere else.
package struct CertificateAuthority: Sendable {
  /// A certificate and its private key as text.
  package struct PEMPair: Sendable {
    package var certificate: String
    package var key: Redacted<String>

    package init(certificate: String, key: Redacted<String>) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// What agents are told to trust.
  package let certificatePEM: String
  let certificate: Certificate
  let key: Certificate.PrivateKey

  /// Makes a new authority that lives for ten years.
  ///
  /// - Parameter installation: Stands in the subject, so that a person can tell two installations apart.
  /// - Throws: ``PalanaError`` with code `failed`.
  package static func generate(installation: String, now: Timestamp) throws(PalanaError) -> PEMPair {
    do {
      let secret = P256.Signing.PrivateKey()
      let key = Certificate.PrivateKey(secret)
      let name = try DistinguishedName {
        OrganizationName("Palana")
        CommonName("Palana egress CA \(installation.prefix(32))")
      }
      let identifier = SubjectKeyIdentifier(hash: key.publicKey)
      let certificate = try Certificate(
        version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
        notValidBefore: date(now - .seconds(3600)), notValidAfter: date(now + .seconds(3650 * 86_400)),
        issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
        extensions: try Certificate.Extensions {
          Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
          Critical(KeyUsage(keyCertSign: true, cRLSign: true))
          identifier
          // Strict verifiers want it on every certificate; on a root it names the root itself.
          AuthorityKeyIdentifier(keyIdentifier: identifier.keyIdentifier)
        },
        issuerPrivateKey: key)
      return PEMPair(
        certificate: try certificate.serializeAsPEM().pemString, key: Redacted(secret.pemRepresentation))
    } catch {
      throw PalanaError(.failed, "the certificate authority could not be made")
    }
  }

  /// Reads back what ``generate(installation:now:)`` made.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` when a text is malformed or the two do not belong together.
  package init(certificatePEM: String, keyPEM: Redacted<String>) throws(PalanaError) {
    do {
      certificate = try Certificate(pemEncoded: certificatePEM)
      key = Certificate.PrivateKey(try P256.Signing.PrivateKey(pemRepresentation: keyPEM.reveal()))
    } catch {
      // The error of the parser is not repeated: it could quote the key.
      throw PalanaError(.invalid, "the certificate authority's certificate or key is malformed")
    }
    guard certificate.publicKey == key.publicKey else {
      throw PalanaError(.invalid, "the certificate authority's certificate and key do not belong together")
    }
    self.certificatePEM = certificatePEM
  }

  static func date(_ time: Timestamp) -> Date {
    Date(timeIntervalSince1970: Double(time.microseconds / 1_000_000))
  }
}
