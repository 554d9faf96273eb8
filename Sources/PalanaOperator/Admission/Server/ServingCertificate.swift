import NIOCore
import NIOSSL
package import PalanaCore
import Synchronization

/// The certificate that new connections see. Replaced while the server runs.
package final class ServingCertificate: Sendable {
  private struct Pair {
    var chain: [NIOSSLCertificateSource]
    var key: NIOSSLPrivateKeySource
  }

  private let current = Mutex<Pair?>(nil)

  package init() {}

  package var isPresent: Bool { current.withLock { $0 != nil } }

  /// - Throws: ``PalanaError`` with code `invalid` when the texts are malformed.
  package func replace(chain: String, key: Redacted<String>) throws(PalanaError) {
    do {
      let pair = Pair(
        chain: try NIOSSLCertificate.fromPEMBytes(Array(chain.utf8)).map { .certificate($0) },
        key: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.reveal().utf8), format: .pem)))
      current.withLock { $0 = pair }
    } catch {
      // What the parser says could quote the key.
      throw PalanaError(.invalid, "the certificate of the webhooks is malformed")
    }
  }

  /// - Throws: ``PalanaError`` with code `failed` when there is no certificate yet.
  func configuration() throws(PalanaError) -> TLSConfiguration {
    guard let pair = current.withLock({ $0 }) else { throw PalanaError(.failed, "the webhooks have no certificate yet") }
    var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: pair.chain, privateKey: pair.key)
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    configuration.certificateVerification = .none
    configuration.trustRoots = .certificates([])
    configuration.shutdownTimeout = .seconds(1)
    configuration.sslContextCallback = { [self] _, promise in
      var override = NIOSSLContextConfigurationOverride()
      if let pair = current.withLock({ $0 }) {
        override.certificateChain = pair.chain
        override.privateKey = pair.key
      }
      promise.succeed(override)
    }
    return configuration
  }
}
