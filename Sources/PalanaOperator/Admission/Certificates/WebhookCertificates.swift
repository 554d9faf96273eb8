import Crypto
import Foundation
import PalanaCore
import PalanaPlan
import SwiftASN1
import X509

/// The authorities that the API server trusts, newest first, and the certificate that is shown to it.
struct WebhookCertificates: Sendable {
  struct Authority: Sendable {
    var certificate: Certificate
    var key: Redacted<String>
    var since: Timestamp { Timestamp(certificate.notValidBefore) + WebhookCertificates.skew }
    var until: Timestamp { Timestamp(certificate.notValidAfter) }
  }

  struct Serving: Sendable {
    var certificate: Certificate
    var key: Redacted<String>
    var until: Timestamp { Timestamp(certificate.notValidAfter) }
  }

  /// A certificate begins so much earlier, for clocks that are late.
  static let skew = Duration.seconds(3600)

  var authorities: [Authority]
  var serving: Serving

  /// What the API server is told to trust, PEM.
  func bundle() throws -> String { try authorities.map { try $0.certificate.serializeAsPEM().pemString }.joined(separator: "\n") + "\n" }

  // MARK: In the secret

  enum Field {
    static let authorities = "ca.crt"
    static let authorityKeys = "ca.key"
    static let certificate = "tls.crt"
    static let key = "tls.key"
  }

  /// - Returns: nil for what cannot be used; then everything is made anew.
  init?(secret data: JSONValue?) {
    func text(_ field: String) -> String? {
      data?[field]?.string.flatMap(Base64Text.decoded).flatMap { String(validating: $0, as: UTF8.self) }
    }
    guard let authorities = text(Field.authorities), let keys = text(Field.authorityKeys), let leaf = text(Field.certificate),
      let key = text(Field.key),
      let certificates = try? PEMDocument.parseMultiple(pemString: authorities).map({ try Certificate(pemDocument: $0) }),
      let keyTexts = try? PEMDocument.parseMultiple(pemString: keys).map(\.pemString), certificates.count == keyTexts.count,
      let serving = try? Certificate(pemEncoded: leaf), Self.belongs(key, to: serving),
      zip(certificates, keyTexts).allSatisfy({ Self.belongs($1, to: $0) })
    else { return nil }
    self.authorities = zip(certificates, keyTexts).map { Authority(certificate: $0, key: Redacted($1)) }
    self.serving = Serving(certificate: serving, key: Redacted(key))
  }

  init(authorities: [Authority], serving: Serving) {
    self.authorities = authorities
    self.serving = serving
  }

  private static func belongs(_ key: String, to certificate: Certificate) -> Bool {
    (try? P256.Signing.PrivateKey(pemRepresentation: key)).map { Certificate.PrivateKey($0).publicKey == certificate.publicKey } ?? false
  }

  func secret() throws -> Redacted<JSONValue> {
    func field(_ text: String) -> JSONValue { .string(Base64Text.encoded(Array(text.utf8))) }
    return Redacted([
      Field.authorities: field(try bundle()),
      Field.authorityKeys: field(authorities.map { $0.key.reveal() }.joined(separator: "\n") + "\n"),
      Field.certificate: field(try serving.certificate.serializeAsPEM().pemString + "\n"),
      Field.key: field(serving.key.reveal() + "\n"),
    ])
  }
}

extension Timestamp {
  init(_ date: Date) { self.init(seconds: Int64(date.timeIntervalSince1970)) }
  var date: Date { Date(timeIntervalSince1970: Double(microseconds / 1_000_000)) }
}
