import NIOCore
import NIOSSL
import PalanaPolicy

/// Why an upstream could not be reached, or stopped in the middle.
struct UpstreamFailure: Error {
  let reason: DenialReason
  /// For people; repeats nothing that an upstream sent.
  let explanation: String
  /// Whether the connection ended before any byte of a response.
  var isBeforeResponse = false
  /// Whether the upstream said that it did not look at the request.
  var isUnprocessed = false
  /// Whether the upstream speaks nothing of what it was offered.
  var isProtocolMismatch = false

  init(_ reason: DenialReason, _ explanation: String, isBeforeResponse: Bool = false) {
    self.reason = reason
    self.explanation = explanation
    self.isBeforeResponse = isBeforeResponse
  }

  /// A failure of the connection or its TLS handshake.
  init(connecting error: any Error) {
    switch error {
    case let error as UpstreamFailure: self = error
    case NIOSSLError.handshakeFailed(let inner): self.init(handshake: "\(inner)")
    case is NIOSSLExtraError, NIOSSLError.unableToValidateCertificate, NIOSSLError.noCertificateToValidate:
      self.init(.upstreamCertificateInvalid, "the upstream's certificate is not for this name")
    case is NIOSSLError, is BoringSSLError: self.init(.upstreamProtocolError, "the TLS handshake with the upstream failed")
    case ChannelError.connectTimeout: self.init(.upstreamTimeout, "the upstream did not accept the connection in time")
    default: self.init(.upstreamUnreachable, "the upstream did not accept the connection")
    }
  }

  private init(handshake text: String) {
    if text.contains("NO_APPLICATION_PROTOCOL") {
      self.init(.upstreamProtocolError, "the upstream speaks no protocol that was offered to it")
      isProtocolMismatch = true
    } else if text.contains("EOF during") {
      self.init(.upstreamUnreachable, "the upstream closed the connection during the handshake")
    } else if text.contains("CERTIFICATE_VERIFY_FAILED") {
      self.init(
        .upstreamCertificateInvalid,
        "the upstream's certificate is expired, self-signed or from an authority that is not trusted here")
    } else if text.contains("UNSUPPORTED_PROTOCOL") || text.contains("PROTOCOL_VERSION") {
      self.init(.upstreamProtocolError, "the upstream speaks no TLS version from 1.2 on")
    } else {
      self.init(.upstreamProtocolError, "the TLS handshake with the upstream failed")
    }
  }
}
