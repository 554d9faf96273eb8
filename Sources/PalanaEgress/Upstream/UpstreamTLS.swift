import NIOCore
import NIOSSL
import PalanaCore

/// How upstreams are verified.
enum UpstreamTLS {
  /// A client context with full verification: the roots of the system and those of the files.
  ///
  /// - Parameter protocols: what is offered, the preferred one first.
  /// Blocks to read files.
  /// - Throws: ``PalanaError`` with code `invalid` that names the file.
  static func context(extraRoots files: [String], protocols: [String] = ["http/1.1"]) throws(PalanaError) -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    configuration.certificateVerification = .fullVerification
    configuration.trustRoots = .default
    configuration.applicationProtocols = protocols
    configuration.shutdownTimeout = .seconds(1)
    configuration.renegotiationSupport = .none
    for file in files {
      guard let roots = try? NIOSSLCertificate.fromPEMFile(file), !roots.isEmpty else {
        throw PalanaError(
          .invalid, "the file ‘\(file)’ of egress.upstreamCA holds no certificate in PEM form that can be read")
      }
      configuration.additionalTrustRoots.append(.certificates(roots))
    }
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw PalanaError(.failed, "the trusted roots of this machine could not be loaded")
    }
  }
}
