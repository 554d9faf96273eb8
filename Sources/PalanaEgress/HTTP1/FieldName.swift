/// The field names that the gateway treats specially, recognised once while a head is parsed.
enum FieldName: UInt8, Sendable {
  case other
  case host
  case connection
  case contentLength
  case transferEncoding
  case te
  case trailer
  case upgrade
  case expect
  case authorization
  case proxyAuthorization
  case acceptEncoding
  case contentEncoding
  /// `Range` and `If-Range`: they ask for a part.
  case range
  case websocketExtensions
  /// Asks the upstream to treat the request as one of another method, past what policy judged.
  case methodOverride
  /// Ends at this hop, tells the upstream who the client claims to be, or continues a trace that nobody began: never travels on.
  case dropped

  /// Recognises a name without regard to case, without allocating.
  init(_ name: borrowing Span<UInt8>) {
    self = .other
    guard name.count >= 2 else { return }
    // The first letter leaves a few candidates, and their lengths mostly exclude each other.
    switch ByteClass.lowercase(name[0]) {
    case UInt8(ascii: "a"):
      if Self.equal(name, "authorization") { self = .authorization }
      if Self.equal(name, "accept-encoding") { self = .acceptEncoding }
    case UInt8(ascii: "b"):
      if Self.equal(name, "b3") || Self.equal(name, "baggage") { self = .dropped }
    case UInt8(ascii: "c"):
      if Self.equal(name, "connection") { self = .connection }
      if Self.equal(name, "content-length") { self = .contentLength }
      if Self.equal(name, "content-encoding") { self = .contentEncoding }
      if Self.equal(name, "client-cert") || Self.equal(name, "client-cert-chain") { self = .dropped }
      if Self.starts(name, "cf-connecting-ip") { self = .dropped }
    case UInt8(ascii: "e"):
      if Self.equal(name, "expect") { self = .expect }
      if Self.equal(name, "elastic-apm-traceparent") { self = .dropped }
    case UInt8(ascii: "f"):
      if Self.equal(name, "forwarded") || Self.equal(name, "fastly-client-ip") || Self.equal(name, "fly-client-ip") { self = .dropped }
    case UInt8(ascii: "g"):
      if Self.equal(name, "grpc-trace-bin") || Self.equal(name, "grpc-tags-bin") { self = .dropped }
    case UInt8(ascii: "h"):
      if Self.equal(name, "host") { self = .host }
      if Self.equal(name, "http2-settings") { self = .dropped }
    case UInt8(ascii: "i"):
      if Self.equal(name, "if-range") { self = .range }
    case UInt8(ascii: "k"):
      if Self.equal(name, "keep-alive") { self = .dropped }
    case UInt8(ascii: "p"):
      if Self.equal(name, "proxy-authorization") {
        self = .proxyAuthorization
      } else if Self.starts(name, "proxy-") {
        self = .dropped
      }
    case UInt8(ascii: "r"):
      if Self.equal(name, "range") { self = .range }
      if Self.equal(name, "remote-user") || Self.equal(name, "remote-addr") { self = .dropped }
    case UInt8(ascii: "s"):
      if Self.equal(name, "sec-websocket-extensions") { self = .websocketExtensions }
      if Self.starts(name, "ssl-client-") || Self.equal(name, "sentry-trace") { self = .dropped }
    case UInt8(ascii: "t"):
      if Self.equal(name, "te") { self = .te }
      if Self.equal(name, "trailer") { self = .trailer }
      if Self.equal(name, "transfer-encoding") { self = .transferEncoding }
      if Self.equal(name, "true-client-ip") || Self.starts(name, "tls-client-") { self = .dropped }
      if Self.equal(name, "traceparent") || Self.equal(name, "tracestate") { self = .dropped }
    case UInt8(ascii: "u"):
      if Self.equal(name, "upgrade") { self = .upgrade }
      if Self.equal(name, "uber-trace-id") || Self.starts(name, "uberctx-") { self = .dropped }
    case UInt8(ascii: "v"):
      if Self.equal(name, "via") { self = .dropped }
    case UInt8(ascii: "x"):
      self = Self.extensionField(name)
    default: break
    }
  }

  /// The `x-` fields that state an identity, an origin, another target or a trace.
  private static func extensionField(_ name: borrowing Span<UInt8>) -> FieldName {
    guard name[1] == UInt8(ascii: "-"), name.count > 4 else { return .other }
    let isDropped: Bool
    switch ByteClass.lowercase(name[2]) {
    case UInt8(ascii: "a"):
      isDropped =
        starts(name, "x-amzn-oidc-") || equal(name, "x-amzn-trace-id") || starts(name, "x-arr-") || starts(name, "x-auth-request-")
        || starts(name, "x-authenticated-") || starts(name, "x-appengine-") || equal(name, "x-azure-clientip")
    case UInt8(ascii: "b"): isDropped = starts(name, "x-b3-")
    case UInt8(ascii: "c"):
      isDropped =
        starts(name, "x-client-cert") || equal(name, "x-client-ip") || equal(name, "x-client-verify") || equal(name, "x-client-dn")
        || equal(name, "x-cluster-client-ip") || equal(name, "x-cloud-trace-context") || equal(name, "x-correlation-id")
    case UInt8(ascii: "d"): isDropped = starts(name, "x-datadog-")
    case UInt8(ascii: "e"): isDropped = starts(name, "x-envoy-")
    case UInt8(ascii: "f"): isDropped = starts(name, "x-forwarded-") || equal(name, "x-forwarded")
    case UInt8(ascii: "g"): isDropped = starts(name, "x-goog-iap-") || starts(name, "x-goog-authenticated-user-")
    case UInt8(ascii: "h"):
      if equal(name, "x-http-method-override") || equal(name, "x-http-method") { return .methodOverride }
      isDropped = equal(name, "x-host")
    case UInt8(ascii: "m"):
      if equal(name, "x-method-override") { return .methodOverride }
      isDropped = starts(name, "x-ms-client-principal")
    case UInt8(ascii: "o"):
      isDropped =
        equal(name, "x-original-url") || equal(name, "x-original-uri") || equal(name, "x-original-host")
        || equal(name, "x-original-method") || starts(name, "x-original-forwarded-") || starts(name, "x-ot-")
    case UInt8(ascii: "p"): isDropped = starts(name, "x-palana-") || equal(name, "x-proxyuser-ip")
    case UInt8(ascii: "r"):
      isDropped =
        equal(name, "x-real-ip") || equal(name, "x-rewrite-url") || starts(name, "x-remote-") || equal(name, "x-request-id")
    case UInt8(ascii: "s"): isDropped = starts(name, "x-ssl-")
    case UInt8(ascii: "t"): isDropped = starts(name, "x-tls-") || starts(name, "x-trace")
    case UInt8(ascii: "w"): isDropped = equal(name, "x-webauth-user")
    default: isDropped = false
    }
    return isDropped ? .dropped : .other
  }

  /// Whether `name` starts with `lower` without regard to case; `lower` is a lower-case literal.
  @inline(__always)
  private static func starts(_ name: borrowing Span<UInt8>, _ lower: StaticString) -> Bool {
    let count = lower.utf8CodeUnitCount
    guard name.count >= count else { return false }
    for index in 0..<count where ByteClass.lowercase(name[index]) != (unsafe lower.utf8Start[index]) { return false }
    return true
  }

  /// Whether `name` is `lower` without regard to case; `lower` is a lower-case literal.
  @inline(__always)
  static func equal(_ name: borrowing Span<UInt8>, _ lower: StaticString) -> Bool {
    name.count == lower.utf8CodeUnitCount && starts(name, lower)
  }
}
