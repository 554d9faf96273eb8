import NIOCore
import PalanaPolicy

/// The answer to a request that did not pass: `{"error","reason","host","request_id","hint"}`.
enum DenialAnswer {
  static func write(_ refusal: Refusal, exchange: Exchange, closes: Bool, into buffer: inout ByteBuffer) {
    let status = refusal.reason.status
    var body = body(refusal, id: exchange.id, host: exchange.authority?.host.description ?? "")
    // The reason stands in the first line too: of a refused CONNECT most clients show nothing else.
    buffer.writeString("HTTP/1.1 \(status) \(phrase(status)) (\(refusal.reason.rawValue))\r\n")
    buffer.writeStaticString("content-type: application/json\r\ncontent-length: ")
    buffer.writeString("\(body.readableBytes)\r\ncache-control: no-store\r\n")
    if status == 407 { buffer.writeStaticString("proxy-authenticate: Basic realm=\"palana\"\r\n") }
    if closes { buffer.writeStaticString("connection: close\r\n") }
    buffer.writeStaticString("\r\n")
    if !exchange.isHeadRequest { buffer.writeBuffer(&body) }
  }

  private static func body(_ refusal: Refusal, id: String, host: String) -> ByteBuffer {
    var body = ByteBuffer()
    body.writeString("{\"error\":\"\(refusal.reason.status >= 500 ? "egress_unavailable" : "egress_denied")\",\"reason\":\"")
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
    judged(refusal, id: exchange.id, host: exchange.authority?.host.description ?? "")
  }

  static func judged(_ refusal: Refusal, id: String, host: String) -> JudgedRefusal {
    let status = refusal.reason.status
    var fields = [("content-type", "application/json"), ("cache-control", "no-store")]
    if status == 407 { fields.append(("proxy-authenticate", "Basic realm=\"palana\"")) }
    return JudgedRefusal(status: status, body: String(buffer: body(refusal, id: id, host: host)), fields: fields)
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
