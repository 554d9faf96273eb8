import NIOCore
import PalanaPolicy

/// The answer to a request that did not pass: `{"error","reason","host","request_id","hint"}`.
enum DenialAnswer {
  /// The whole answer in HTTP/1.1.
  static func write(_ refusal: Refusal, exchange: Exchange, closes: Bool, into buffer: inout ByteBuffer) {
    let status = refusal.status
    var (contentType, body) = contents(refusal, exchange: exchange)
    // The reason stands in the first line too: of a refused CONNECT most clients show nothing else.
    buffer.writeString("HTTP/1.1 \(status) \(phrase(status)) (\(refusal.reason.rawValue))\r\n")
    buffer.writeString("content-type: \(contentType)\r\ncontent-length: ")
    buffer.writeString("\(body.readableBytes)\r\ncache-control: no-store\r\n")
    if status == 407 { buffer.writeStaticString("proxy-authenticate: Basic realm=\"palana\"\r\n") }
    if closes { buffer.writeStaticString("connection: close\r\n") }
    buffer.writeStaticString("\r\n")
    if !exchange.isHeadRequest { buffer.writeBuffer(&body) }
  }

  /// Its fields in HTTP/2, without the length.
  static func fields(_ refusal: Refusal, contentType: String) -> [(String, String)] {
    [(":status", String(refusal.status)), ("content-type", contentType), ("cache-control", "no-store")]
  }

  /// The body, whatever protocol it travels in.
  static func contents(_ refusal: Refusal, exchange: Exchange) -> (contentType: String, body: ByteBuffer) {
    if let report = refusal.report { return (ReceivePackReport.contentType, report) }
    let body = body(refusal, id: exchange.id, host: exchange.authority?.host.description ?? "")
    // Git shows its user what it gets as plain text, and nothing else.
    return (exchange.git == nil ? "application/json" : "text/plain", body)
  }

  private static func body(_ refusal: Refusal, id: String, host: String) -> ByteBuffer {
    var body = ByteBuffer()
    body.writeString("{\"error\":\"\(refusal.status >= 500 ? "egress_unavailable" : "egress_denied")\",\"reason\":\"")
    body.writeString(refusal.reason.rawValue)
    body.writeString("\",\"host\":\"")
    writeEscaped(host, into: &body)
    body.writeString("\",\"request_id\":\"\(id)\",\"hint\":\"")
    writeEscaped(refusal.explanation, into: &body)
    body.writeString("\"}\n")
    return body
  }

  /// The same answer for another proxy to give.
  static func judged(_ refusal: Refusal, exchange: Exchange) -> JudgedRefusal {
    let (contentType, body) = contents(refusal, exchange: exchange)
    return judged(refusal, contentType: contentType, body: body)
  }

  static func judged(_ refusal: Refusal, id: String, host: String) -> JudgedRefusal {
    judged(refusal, contentType: "application/json", body: body(refusal, id: id, host: host))
  }

  private static func judged(_ refusal: Refusal, contentType: String, body: ByteBuffer) -> JudgedRefusal {
    var fields = [("content-type", contentType), ("cache-control", "no-store")]
    if refusal.status == 407 { fields.append(("proxy-authenticate", "Basic realm=\"palana\"")) }
    return JudgedRefusal(status: refusal.status, body: String(buffer: body), fields: fields)
  }

  /// JSON string contents (RFC 8259 §7).
  private static func writeEscaped(_ text: String, into buffer: inout ByteBuffer) {
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        buffer.writeInteger(UInt8(ascii: "\\"))
        buffer.writeInteger(byte)
      case 0..<0x20, 0x7f:
        buffer.writeStaticString("\\u00")
        buffer.writeInteger(byte >> 4 < 10 ? 48 + byte >> 4 : 87 + byte >> 4)
        buffer.writeInteger(byte & 15 < 10 ? 48 + byte & 15 : 87 + byte & 15)
      default: buffer.writeInteger(byte)
      }
    }
  }

  private static func phrase(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 400: "Bad Request"
    case 403: "Forbidden"
    case 407: "Proxy Authentication Required"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: "Refused"
    }
  }
}
