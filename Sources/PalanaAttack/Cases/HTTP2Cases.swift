import PalanaControlAPI

/// HTTP/2 where it was not agreed on is refused, and never answered in its own language.
enum HTTP2Cases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    let speaker = ProxySpeaker(job)
    // An address of documentation (RFC 5737): where connections are not redirected, nobody is there.
    let beyond = Endpoint("192.0.2.7", 80)
    return openings.flatMap { name, words, bytes in
      [
        AttackCase(
          .http2, "proxy-\(name)", "HTTP/2 without TLS is refused.", speaker.stream(bytes, ends: true), .refused,
          sent: "\(words) to the proxy"),
        AttackCase(
          .http2, "direct-\(name)", "HTTP/2 without TLS is refused, also beside the proxy.", .stream(beyond, bytes, ends: true), .refused,
          sent: "\(words) to \(beyond)", destination: beyond, needsTransparency: true),
      ]
    } + [
      AttackCase(
        .http2, "upgrade", "An upgrade to HTTP/2 without TLS opens nothing.",
        speaker.stream(
          speaker.plain(
            "http://\(job.name)\(speaker.path)", host: job.name,
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n")), .refused,
        sent: "GET http://\(job.name)\(speaker.path) with upgrade: h2c"),
      AttackCase(
        .http2, "pseudo-fields", "Fields of HTTP/2 in a message of HTTP/1 are no second authority.",
        speaker.stream(speaker.connect("\(job.name):443", ":authority: localhost:443\r\n:protocol: websocket\r\n")), .malformed,
        sent: "CONNECT \(job.name):443 with :authority and :protocol"),
    ]
  }

  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt8 = 0, _ payload: [UInt8]) -> [UInt8] {
    [UInt8(payload.count >> 16 & 255), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255), type, flags, 0, 0, 0, stream] + payload
  }

  private static let settings = frame(4, [])

  private static let openings: [(String, String, [UInt8])] = [
    ("preface", "the preface of HTTP/2", preface + settings),
    ("bad-preface", "a preface with another end", Array("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".utf8) + settings),
    ("frames-first", "frames of HTTP/2 without the preface", settings + frame(6, [UInt8](repeating: 0, count: 8))),
    (
      "huge-settings", "the preface and 2,700 settings",
      preface
        + frame(4, (0..<2700).flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0), 0xff, 0xff, 0xff, 0xff] })
    ),
    (
      "endless-head", "the preface and a head that never ends",
      preface + settings + frame(1, stream: 1, [0x82])
        + (0..<64).flatMap { _ in frame(9, stream: 1, [UInt8](repeating: 0x82, count: 1024)) }
    ),
    ("pings", "the preface and 1,000 pings", preface + settings + (0..<1000).flatMap { _ in frame(6, [UInt8](repeating: 0, count: 8)) }),
  ]
}
