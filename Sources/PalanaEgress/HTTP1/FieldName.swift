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
  /// Ends at this hop, or tells the upstream who the client claims to be: never travels on.
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
    case UInt8(ascii: "c"):
      if Self.equal(name, "connection") { self = .connection }
      if Self.equal(name, "content-length") { self = .contentLength }
      if Self.equal(name, "content-encoding") { self = .contentEncoding }
      if Self.equal(name, "client-cert") || Self.equal(name, "client-cert-chain") { self = .dropped }
      if Self.equal(name, "cf-connecting-ip") { self = .dropped }
    case UInt8(ascii: "e"):
      if Self.equal(name, "expect") { self = .expect }
    case UInt8(ascii: "f"):
      if Self.equal(name, "forwarded") || Self.equal(name, "fastly-client-ip") { self = .dropped }
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
    case UInt8(ascii: "s"):
      if Self.equal(name, "sec-websocket-extensions") { self = .websocketExtensions }
    case UInt8(ascii: "t"):
      if Self.equal(name, "te") { self = .te }
      if Self.equal(name, "trailer") { self = .trailer }
      if Self.equal(name, "transfer-encoding") { self = .transferEncoding }
      if Self.equal(name, "true-client-ip") { self = .dropped }
    case UInt8(ascii: "u"):
      if Self.equal(name, "upgrade") { self = .upgrade }
    case UInt8(ascii: "v"):
      if Self.equal(name, "via") { self = .dropped }
    case UInt8(ascii: "x"):
      self = Self.extensionField(name)
    default: break
    }
  }

  /// The `x-` fields that state an identity, an origin or another target.
  private static func extensionField(_ name: borrowing Span<UInt8>) -> FieldName {
    guard name[1] == UInt8(ascii: "-"), name.count > 4 else { return .other }
    switch ByteClass.lowercase(name[2]) {
    case UInt8(ascii: "c"):
      if starts(name, "x-client-cert") || equal(name, "x-client-ip") || equal(name, "x-cluster-client-ip") {
        return .dropped
      }
    case UInt8(ascii: "e"): if starts(name, "x-envoy-") { return .dropped }
    case UInt8(ascii: "f"): if starts(name, "x-forwarded-") || equal(name, "x-forwarded") { return .dropped }
    case UInt8(ascii: "h"):
      if equal(name, "x-host") { return .dropped }
      if equal(name, "x-http-method-override") || equal(name, "x-http-method") { return .methodOverride }
    case UInt8(ascii: "m"): if equal(name, "x-method-override") { return .methodOverride }
    case UInt8(ascii: "o"):
      if equal(name, "x-original-url") || equal(name, "x-original-host") || starts(name, "x-original-forwarded-") {
        return .dropped
      }
    case UInt8(ascii: "p"): if starts(name, "x-palana-") || equal(name, "x-proxyuser-ip") { return .dropped }
    case UInt8(ascii: "r"):
      if equal(name, "x-real-ip") || equal(name, "x-rewrite-url") || equal(name, "x-remote-user") { return .dropped }
    case UInt8(ascii: "s"): if starts(name, "x-ssl-") { return .dropped }
    default: break
    }
    return .other
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
