import Foundation
package import Logging
import NIOPosix
import NIOSSL
package import PalanaCore
import Synchronization

/// The certificate and key of a listener, from two files that somebody renews.
package final class ServerCertificate: Sendable {
  private struct Present {
    var pair: Pair
    var context: NIOSSLContext
  }

  private struct Pair: Equatable {
    var certificate: [UInt8]
    var key: [UInt8]
  }

  private static let limit = 1 << 20

  private let certificatePath: String
  private let keyPath: String
  private let present: Mutex<Present>

  /// Reads the files.
  ///
  /// - Throws: ``PalanaError`` that names the file: `notFound`, `invalid`.
  package init(certificatePath: String, keyPath: String) async throws(PalanaError) {
    self.certificatePath = certificatePath
    self.keyPath = keyPath
    present = Mutex(try await Self.load(certificatePath, keyPath))
  }

  /// For a new connection.
  var context: NIOSSLContext { present.withLock { $0.context } }

  /// Looks at the files again. What is no pair of certificate and key does not replace one.
  ///
  /// - Returns: whether there is a new pair.
  @discardableResult
  package func renew() async throws(PalanaError) -> Bool {
    let next = try await Self.load(certificatePath, keyPath)
    return present.withLock { present in
      guard next.pair != present.pair else { return false }
      present = next
      return true
    }
  }

  /// Renews until it is cancelled.
  package func keepUp(every pause: Duration = .seconds(10), logger: Logger) async {
    while (try? await Task.sleep(for: pause)) != nil {
      do throws(PalanaError) {
        if try await renew() { logger.notice("control.certificate.renewed", metadata: ["file": "\(certificatePath)"]) }
      } catch {
        logger.error("control.certificate.unusable", metadata: ["error": "\(error.message)"])
      }
    }
  }

  private static func load(_ certificatePath: String, _ keyPath: String) async throws(PalanaError) -> Present {
    do {
      return try await NIOThreadPool.singleton.runIfActive {
        let pair = Pair(certificate: try read(certificatePath), key: try read(keyPath))
        do {
          var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(pair.certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: pair.key, format: .pem)))
          tls.minimumTLSVersion = .tlsv12
          tls.applicationProtocols = ["http/1.1"]
          return Present(pair: pair, context: try NIOSSLContext(configuration: tls))
        } catch {
          // The library's words may quote the file.
          throw PalanaError(.invalid, "\(certificatePath) and \(keyPath) are no certificate with its key (PEM)")
        }
      }
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.failed, "\(certificatePath) cannot be read")
    }
  }

  private static func read(_ path: String) throws -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw PalanaError(.notFound, "the file \(path) cannot be read")
    }
    guard data.count <= limit else { throw PalanaError(.invalid, "\(path) is larger than 1 MiB") }
    return Array(data)
  }
}
