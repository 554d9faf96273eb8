import PalanaEgress
import PalanaPolicy

/// Reads Envoy's response code details: its closed vocabulary of how a response came about.
enum EndReading {
  static func end(of entry: Envoy_Data_Accesslog_V3_HTTPAccessLogEntry, status: Int?) -> JudgedEnd {
    JudgedEnd(
      outcome: outcome(
        details: entry.response.responseCodeDetails, failure: entry.commonProperties.upstreamTransportFailureReason),
      status: status, bytesSent: Int64(clamping: entry.request.requestBodyBytes),
      bytesReceived: Int64(clamping: entry.response.responseBodyBytes))
  }

  static func outcome(details: String, failure: String) -> JudgedEnd.Outcome {
    if details == "via_upstream" || details == "websocket_handshake_unsuccessful" { return .complete }
    if details.hasPrefix("downstream_") { return .aborted }
    if details.contains("CERTIFICATE_VERIFY_FAILED") || failure.contains("CERTIFICATE_VERIFY_FAILED") {
      return .failed(.upstreamCertificateInvalid)
    }
    if details.hasPrefix("stream_idle_timeout") { return .idle }
    if details.contains("timeout") { return .failed(.upstreamTimeout) }
    if details.contains("connection_failure") || details.hasPrefix("no_healthy_upstream") || details.hasPrefix("cluster_not_found") {
      return .failed(.upstreamUnreachable)
    }
    if details.contains("overflow") { return .failed(.limitExceeded) }
    if details.hasPrefix("http1.") || details.hasPrefix("http2.") { return .failed(.malformedRequest) }
    return .failed(.upstreamProtocolError)
  }

  /// Why Envoy refused a request before it asked.
  static func refusal(details: String, status: Int?) -> DenialReason {
    if details.hasPrefix("ext_authz_error") { return .policyUnavailable }
    if details.contains("headers_too_large") || details.contains("too_many_headers") || status == 431 { return .headersTooLarge }
    if details.contains("timeout") || status == 408 { return .requestTimeout }
    return .malformedRequest
  }

  /// - Parameter failure: BoringSSL's words; empty: nothing failed.
  static func handshake(serverName: String, failure: String) -> JudgedHandshake {
    // What BoringSSL says to bytes that are no TLS.
    let foreign = ["WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNEXPECTED_MESSAGE", "UNEXPECTED_RECORD"]
    if serverName.isEmpty, foreign.contains(where: failure.contains) { return JudgedHandshake(serverName: "", outcome: .notTLS) }
    // A connection that breaks off says nothing about the handshake before it.
    let isBroken = failure.isEmpty || failure.contains("Connection reset by peer")
    return JudgedHandshake(serverName: serverName, outcome: isBroken ? .fine : .failed)
  }
}
