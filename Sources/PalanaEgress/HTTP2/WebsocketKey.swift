import Crypto
import PalanaCore

/// The key of a websocket handshake over HTTP/1.1 (RFC 6455 §4.1), which HTTP/2 has not: where a websocket changes the protocol,
/// the gateway is the client of that handshake.
enum WebsocketKey {
  static func make() -> String {
    var generator = SystemRandomNumberGenerator()
    let bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    return String(decoding: Base64.encode(bytes), as: UTF8.self)
  }

  /// What the server answers to a key (RFC 6455 §4.2.2).
  static func accept(_ key: String) -> String {
    let digest = Insecure.SHA1.hash(data: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
    return String(decoding: Base64.encode(Array(digest)), as: UTF8.self)
  }
}
