import PalanaControlAPI

/// What two readers could understand differently is no request: it is refused before anything is decided, and nothing that
/// follows it is read as another one.
enum FramingCases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    let speaker = ProxySpeaker(job)
    let target = "http://\(job.name)\(speaker.path)"
    return messages.map { name, words, fields, rest in
      AttackCase(
        .framing, "message-\(name)", "A message with two readings is refused, and what follows it is no request.",
        speaker.stream(speaker.plain(target, host: job.name, method: "POST", fields) + rest + speaker.follower), .malformed,
        sent: "POST \(target) \(words)")
    }
      + bodies.map { name, words, rest in
        AttackCase(
          .framing, "chunk-\(name)", "A chunked body with two readings ends the connection, or is never read.",
          speaker.stream(
            speaker.plain(target, host: job.name, method: "POST", "transfer-encoding: chunked\r\n") + rest + speaker.follower),
          .refusedOnce, sent: "POST \(target), chunked, \(words)")
      }
      + lines.map { name, text in
        let line = text.replacing("TARGET", with: target)
        return AttackCase(
          .framing, "line-\(name)", "A request line that is not exactly of HTTP/1 is refused.",
          speaker.stream("\(line)\r\nhost: \(job.name)\r\n\(speaker.proof)\r\n", ends: true), .malformed,
          sent: String(line.prefix(100)))
      }
      + connects.map { name, words, fields in
        AttackCase(
          .framing, "connect-\(name)", "A CONNECT with a body, or with two authorities, is refused.",
          speaker.stream(speaker.connect(job.name + ":443", fields) + speaker.follower), .malformed,
          sent: "CONNECT \(job.name):443 \(words)")
      }
      + strangers.map { name, words, bytes in
        AttackCase(
          .framing, "first-\(name)", "What is no HTTP is no way through the proxy.", speaker.stream(bytes, ends: true), .malformed,
          sent: words)
      }
  }

  /// Fields, and what follows the head.
  private static let messages: [(String, String, String, String)] = [
    ("cl-te", "with a length and an encoding", "content-length: 6\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\nG"),
    ("te-cl", "with an encoding and a length", "transfer-encoding: chunked\r\ncontent-length: 4\r\n", "5c\r\n"),
    ("cl-twice", "with its length twice", "content-length: 5\r\ncontent-length: 5\r\n", "hello"),
    ("cl-differ", "with two lengths", "content-length: 5\r\ncontent-length: 6\r\n", "hello"),
    ("cl-list", "with a list of lengths", "content-length: 5, 6\r\n", "hello"),
    ("cl-plus", "with the length +5", "content-length: +5\r\n", "hello"),
    ("cl-minus", "with the length -1", "content-length: -1\r\n", ""),
    ("cl-hex", "with the length 0x5", "content-length: 0x5\r\n", "hello"),
    ("cl-wraps", "with a length beyond 64 bits", "content-length: 18446744073709551621\r\n", "hello"),
    ("cl-empty", "with an empty length", "content-length:\r\n", ""),
    ("cl-name-space", "with a space before the colon of its length", "content-length : 5\r\n", "hello"),
    ("te-twice", "with its encoding twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ("te-identity", "with the encoding identity", "transfer-encoding: identity\r\n", ""),
    ("te-order", "with an encoding after chunked", "transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
    ("te-unknown", "with an unknown encoding", "transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
    ("te-vertical-tab", "with a vertical tab before chunked", "transfer-encoding: \u{b}chunked\r\n", "0\r\n\r\n"),
    ("te-folded", "with a folded encoding", "transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n"),
    ("te-name-space", "with a space before the colon of its encoding", "transfer-encoding : chunked\r\n", "0\r\n\r\n"),
    ("te-bare-lf", "with an encoding behind a bare line feed", "x: y\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ("te-bare-cr", "with an encoding behind a bare carriage return", "x: y\rtransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ("folded", "with a folded field", "x-folded: a\r\n b\r\n", ""),
    ("first-folded", "with a first field that is folded", " x: folded\r\n", ""),
    ("bare-lf", "with a bare line feed", "x-a: 1\nx-b: 2\r\n", ""), ("nul", "with a NUL in a field", "x: a\u{0}b\r\n", ""),
    ("name-space", "with a space in a field's name", "x y: a\r\n", ""), ("no-colon", "with a field without a colon", "no colon\r\n", ""),
    ("no-name", "with a field without a name", ": empty\r\n", ""), ("host-twice", "with two Hosts", "host: localhost\r\n", ""),
    ("long-field", "with a field of 80,000 bytes", "x-long: \(String(repeating: "a", count: 80_000))\r\n", ""),
    ("many-fields", "with 5,000 fields", String(repeating: "x-many: 1234567\r\n", count: 5000), ""),
  ]

  private static let bodies: [(String, String, String)] = [
    ("not-hex", "size “z”", "z\r\n"), ("empty", "without a size", "\r\n"), ("minus", "size -1", "-1\r\n"),
    ("prefixed", "size 0x1", "0x1\r\na\r\n0\r\n\r\n"), ("wraps", "a size beyond 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("lf", "a size that ends in a bare line feed", "1\na\r\n0\r\n\r\n"), ("longer", "a chunk longer than its size", "1\r\naa\r\n0\r\n\r\n"),
    ("extension-lf", "a line feed in an extension", "1;a\nb\r\na\r\n0\r\n\r\n"), ("last-lf", "an end with a bare line feed", "0\r\n\n"),
  ]

  private static let lines: [(String, String)] = [
    ("no-version", "GET TARGET"), ("http-0.9", "GET TARGET HTTP/0.9"), ("http-2", "GET TARGET HTTP/2.0"),
    ("http-1.2", "GET TARGET HTTP/1.2"), ("lower-version", "GET TARGET http/1.1"), ("two-spaces", "GET  TARGET HTTP/1.1"),
    ("tab", "GET\tTARGET HTTP/1.1"), ("trailing-space", "GET TARGET HTTP/1.1 "), ("leading-space", " GET TARGET HTTP/1.1"),
    ("two-targets", "GET TARGET /b HTTP/1.1"), ("nul", "GET TARGET\u{0} HTTP/1.1"), ("bare-cr", "GET TARGET\rHTTP/1.1"),
    ("method-colon", "G:T TARGET HTTP/1.1"),
    ("long-target", "GET TARGET/\(String(repeating: "a", count: 80_000)) HTTP/1.1"),
  ]

  private static let connects: [(String, String, String)] = [
    ("length", "with a length", "content-length: 5\r\n"), ("encoding", "with an encoding", "transfer-encoding: chunked\r\n"),
    ("host-twice", "with two Hosts", "host: localhost:443\r\n"),
  ]

  private static let strangers: [(String, String, [UInt8])] = [
    ("ssh", "SSH-2.0-OpenSSH_9", Array("SSH-2.0-OpenSSH_9\r\n\r\n".utf8)), ("smtp", "EHLO x", Array("EHLO x\r\n\r\n".utf8)),
    ("socks-4", "a SOCKS 4 request for 127.0.0.1:22", [4, 1, 0, 22, 127, 0, 0, 1, 0]),
    ("socks-5", "a SOCKS 5 greeting", [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 22]),
    ("zeros", "64 zero bytes", [UInt8](repeating: 0, count: 64)),
    ("proxy-protocol", "a PROXY line for another source", Array("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n\r\n".utf8)),
  ]
}
