/// What two parsers could read differently is refused, nothing of it is sent on, and the connection ends.
enum FramingCases {
  static let all: [EgressCase] =
    messages.map { message($0, $1, $2) } + lines.map { line($0, $1) } + firstBytes.map { first($0, $1) }
    + paths.map { path($0, $1, $2) } + [pipelined, early, inner, expect, slowBody, chunkedPasses, split]

  private static let smuggled = "GET /smuggled HTTP/1.1\r\nhost: AUTHORITY\r\nconnection: close\r\n\r\n"

  /// Fields, and what follows the head.
  private static let messages: [(String, String, String)] = [
    ("cl-te", "content-length: 6\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\nG"),
    ("te-cl", "transfer-encoding: chunked\r\ncontent-length: 4\r\n", "5c\r\n"),
    ("cl-twice", "content-length: 5\r\ncontent-length: 5\r\n", "hello"),
    ("cl-differ", "content-length: 5\r\ncontent-length: 6\r\n", "hello"),
    ("cl-list", "content-length: 5, 5\r\n", "hello"), ("cl-plus", "content-length: +5\r\n", "hello"),
    ("cl-minus", "content-length: -1\r\n", ""),
    ("cl-hex", "content-length: 0x5\r\n", "hello"), ("cl-space", "content-length: 5 5\r\n", "hello"),
    ("cl-huge", "content-length: 99999999999999999999\r\n", ""),
    ("cl-wraps", "content-length: 18446744073709551621\r\n", "hello"), ("cl-empty", "content-length:\r\n", ""),
    ("cl-name-space", "content-length : 5\r\n", "hello"),
    ("cl-name-tab", "content-length\t: 5\r\n", "hello"), ("cl-underscore-space", "content-length: 5\u{b}\r\n", "hello"),
    ("cl-decimal", "content-length: 5.0\r\n", "hello"),
    ("te-twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ("te-identity", "transfer-encoding: identity\r\n", ""),
    ("te-chunked-identity", "transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
    ("te-gzip", "transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    ("te-x", "transfer-encoding: xchunked\r\n", "0\r\n\r\n"), ("te-parameter", "transfer-encoding: chunked;q=1\r\n", "0\r\n\r\n"),
    ("te-vertical-tab", "transfer-encoding: \u{b}chunked\r\n", "0\r\n\r\n"),
    ("te-folded", "transfer-encoding:\r\n chunked\r\n", "0\r\n\r\n"),
    ("te-name-space", "transfer-encoding : chunked\r\n", "0\r\n\r\n"), ("te-quoted", "transfer-encoding: \"chunked\"\r\n", "0\r\n\r\n"),
    ("te-nul", "transfer-encoding: chunked\u{0}\r\n", "0\r\n\r\n"), ("te-cow", "transfer-encoding: chunked, cow\r\n", "0\r\n\r\n"),
    ("te-kelvin", "transfer-encoding: chun\u{212a}ed\r\n", "0\r\n\r\n"),
    ("te-bare-lf", "x: y\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ("te-bare-cr", "x: y\rtransfer-encoding: chunked\r\n", "0\r\n\r\n"), ("te-empty-first", "transfer-encoding: ,chunked\r\n", "0\r\n\r\n"),
    ("folded", "x-folded: a\r\n b\r\n", ""), ("folded-tab", "x-folded: a\r\n\tb\r\n", ""), ("first-folded", " x: folded\r\n", ""),
    ("bare-lf", "x-a: 1\nx-b: 2\r\n", ""),
    ("bare-cr", "x-a: 1\rx-b: 2\r\n", ""), ("nul", "x: a\u{0}b\r\n", ""), ("bell", "x: \u{7}\r\n", ""), ("delete", "x: \u{7f}\r\n", ""),
    ("name-space", "x y: a\r\n", ""),
    ("name-utf8", "x-n\u{e4}me: a\r\n", ""), ("no-colon", "no colon\r\n", ""), ("no-name", ": empty\r\n", ""),
    ("name-brackets", "x[1]: a\r\n", ""),
    ("name-cr", "x\r: a\r\n", ""), ("expectation", "expect: 200-ok\r\n", ""), ("hop-host", "connection: host\r\n", ""),
    ("hop-authorization", "connection: close, Authorization\r\nauthorization: x\r\n", ""),
    ("hop-length", "connection: content-length\r\ncontent-length: 5\r\n", "hello"),
    ("hop-encoding", "connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ("chunk-z", "transfer-encoding: chunked\r\n", "z\r\n"), ("chunk-empty", "transfer-encoding: chunked\r\n", "\r\n"),
    ("chunk-minus", "transfer-encoding: chunked\r\n", "-1\r\n"),
    ("chunk-0x", "transfer-encoding: chunked\r\n", "0x1\r\na\r\n0\r\n\r\n"),
    ("chunk-wraps", "transfer-encoding: chunked\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("chunk-huge", "transfer-encoding: chunked\r\n", "ffffffffffffffffffff\r\n"),
    ("chunk-lf", "transfer-encoding: chunked\r\n", "1\na\r\n0\r\n\r\n"),
    ("chunk-space", "transfer-encoding: chunked\r\n", "1 \r\na\r\n0\r\n\r\n"),
    ("chunk-extension-lf", "transfer-encoding: chunked\r\n", "1;a\nb\r\na\r\n0\r\n\r\n"),
    ("chunk-extension-cr", "transfer-encoding: chunked\r\n", "1;a\rb\r\na\r\n0\r\n\r\n"),
    ("chunk-longer", "transfer-encoding: chunked\r\n", "1\r\naa\r\n0\r\n\r\n"),
    ("chunk-end-lf", "transfer-encoding: chunked\r\n", "1\r\na\n0\r\n\r\n"),
    ("chunk-end-cr", "transfer-encoding: chunked\r\n", "1\r\na\r0\r\n\r\n"),
    ("chunk-end-xx", "transfer-encoding: chunked\r\n", "1\r\naXX0\r\n\r\n"),
    ("trailer-folded", "transfer-encoding: chunked\r\n", "0\r\n folded: 1\r\n\r\n"),
    ("trailer-lf", "transfer-encoding: chunked\r\n", "0\r\nx: a\nb\r\n\r\n"), ("last-lf", "transfer-encoding: chunked\r\n", "0\r\n\n"),
    ("many-fields", String(repeating: "x-many: 1\r\n", count: 1000), ""),
    ("long-field", "x-long: \(String(repeating: "a", count: 80_000))\r\n", ""),
    ("long-name", "\(String(repeating: "a", count: 80_000)): x\r\n", ""),
    ("long-extension", "transfer-encoding: chunked\r\n", "1;\(String(repeating: "e", count: 80_000))\r\na\r\n0\r\n\r\n"),
  ]

  private static func message(_ name: String, _ fields: String, _ rest: String) -> EgressCase {
    EgressCase(.framing, "message-\(name)", "A message with two readings is refused, and what follows it is no request.") { attack in
      let wire = try await attack.tunnel()
      let follower = smuggled.replacing("AUTHORITY", with: attack.authority()).replacing("/smuggled", with: attack.path + "/smuggled")
      let head = attack.request(method: "POST")
      try? await wire.send(String(head.dropLast()) + fields + "\r\n" + rest + follower)
      let text = String(decoding: try await wire.rest(), as: UTF8.self)
      let passed = text.ranges(of: "HTTP/1.1 200").count
      if passed > 0, !attack.target.features.contains(.strict) { return attack.restated(passed) }
      if let status = Int(text.dropFirst(9).prefix(3)), status < 400 { return .broken("answered \(status)") }
      guard !attack.arrived.contains(where: { $0.target.contains("smuggled") }) else {
        return .broken("the smuggled request reached the upstream")
      }
      return text.ranges(of: "HTTP/1.1 ").count <= 1 ? .held : .broken("several answers")
    }
  }

  private static let lines: [(String, String)] = [
    ("no-version", "GET PATH"), ("http-0.9", "GET PATH HTTP/0.9"), ("http-2", "GET PATH HTTP/2.0"), ("http-1.2", "GET PATH HTTP/1.2"),
    ("http-11", "GET PATH HTTP/11"),
    ("lower-version", "GET PATH http/1.1"), ("two-spaces", "GET  PATH HTTP/1.1"), ("tab", "GET\tPATH HTTP/1.1"),
    ("trailing-space", "GET PATH HTTP/1.1 "),
    ("leading-space", " GET PATH HTTP/1.1"), ("space-in-path", "GET PATH/a b HTTP/1.1"), ("two-targets", "GET PATH /b HTTP/1.1"),
    ("version-in-path", "GET PATH HTTP/1.1 HTTP/1.1"), ("nul", "GET PATH\u{0} HTTP/1.1"), ("utf8", "GET PATH/\u{e9} HTTP/1.1"),
    ("bare-cr", "GET PATH\rHTTP/1.1"),
    ("method-colon", "G:T PATH HTTP/1.1"), ("long-method", "\(String(repeating: "A", count: 200)) PATH HTTP/1.1"),
    ("no-method", " PATH HTTP/1.1"),
    ("relative", "GET path HTTP/1.1"), ("empty-target", "GET  HTTP/1.1"), ("fragment", "GET PATH#x HTTP/1.1"),
    ("backslash", "GET PATH\\x HTTP/1.1"),
    ("trace", "TRACE PATH HTTP/1.1"), ("connect", "CONNECT other.test:443 HTTP/1.1"), ("lower-connect", "connect other.test:443 HTTP/1.1"),
    ("pri", "PRI * HTTP/2.0"), ("version-nul", "GET PATH HTTP/1.1\u{0}"),
  ]

  private static func line(_ name: String, _ line: String) -> EgressCase {
    EgressCase(.framing, "line-\(name)", "A request line that is not exactly of HTTP/1 is refused.") { attack in
      let wire = try await attack.tunnel()
      try await wire.send(line.replacing("PATH", with: attack.path) + "\r\nhost: \(attack.authority())\r\n\r\n")
      return try await attack.refusedOrClosed(mayRestate: true) { try await wire.answer() }
    }
  }

  /// What starts a tunnel, other than TLS.
  private static let firstBytes: [(String, String)] = [
    ("ssh", "SSH-2.0-OpenSSH_9\r\n"), ("http", "GET / HTTP/1.1\r\nhost: allowed.test\r\n\r\n"), ("h2c", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("smtp", "EHLO x\r\n"), ("ssl-2", "\u{1}\u{3}"), ("empty-record", "\u{16}\u{3}\u{1}\u{0}\u{0}"),
    ("server-hello", "\u{16}\u{3}\u{1}\u{0}\u{4}\u{2}\u{0}\u{0}\u{0}"),
    ("alert", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{1}\u{0}"), ("application-data", "\u{17}\u{3}\u{3}\u{0}\u{1}x"),
    ("zeros", String(repeating: "\u{0}", count: 64)),
  ]

  private static func first(_ name: String, _ bytes: String) -> EgressCase {
    EgressCase(.framing, "tunnel-\(name)", "Something other than TLS in a tunnel ends it.") { attack in
      let (wire, answer) = try await attack.connect(attack.authority())
      guard answer.status == 200 else { return .broken("CONNECT was answered \(answer.status)") }
      try? await wire.send(bytes)
      try? await wire.finishWriting()
      let rest = try await wire.rest()
      // A TLS alert may say so; an answer of the upstream may not.
      return rest.isEmpty || rest[0] == 21 || String(decoding: rest, as: UTF8.self).hasPrefix("HTTP/1.1 4")
        ? .held : .broken("answered \(rest.prefix(40))")
    }
  }

  /// Targets, and whether they may pass: the policy of the set-up closes `/closed/**`.
  private static let paths: [(String, String, Bool)] = [
    ("plain", "/closed/PATH", false), ("dots", "/open/../closed/PATH", false), ("encoded-dots", "/open/%2e%2e/closed/PATH", false),
    ("upper-dots", "/open/%2E%2E/closed/PATH", false), ("half-dots", "/open/.%2e/closed/PATH", false),
    ("dot-slash", "/./closed/PATH", false),
    ("double-slash", "//closed/PATH", false), ("encoded-slash", "/open%2fclosed/PATH", true), ("encoded-letter", "/%63losed/PATH", false),
    ("encoded-upper", "/%43losed/PATH", true), ("backslash", "/open\\..\\closed/PATH", false),
    ("encoded-backslash", "/open/..%5cclosed/PATH", false),
    ("double-encoded", "/%2563losed/PATH", true), ("double-dots", "/open/%252e%252e/closed/PATH", true), ("nul", "/closed%00/PATH", false),
    ("parameter", "/closed;x=1/PATH", false), ("parameter-dots", "/open/..;/closed/PATH", false),
    ("overlong", "/open/%c0%ae%c0%ae/closed/PATH", true),
    ("bad-percent", "/%zz/closed/PATH", false), ("cut-percent", "/closed%2/PATH", false),
    ("encoded-slash-before", "/%2fclosed/PATH", false),
    ("trailing-dots", "/open/x/../../closed/PATH", false), ("absolute-form", "https://AUTHORITY/closed/PATH", false),
    ("many-dots", "/open/..././closed/PATH", true),
    ("encoded-crlf", "/open/%0d%0aGET%20/closed/PATH", true),
  ]

  private static func path(_ name: String, _ target: String, _ mayPass: Bool) -> EgressCase {
    EgressCase(.framing, "path-\(name)", "Policy sees the path that the upstream gets: what is closed is not reached in another spelling.")
    { attack in
      let text = target.replacing("/PATH", with: attack.path).replacing("AUTHORITY", with: attack.authority())
      let answer = try await attack.ask(attack.request(text))
      if answer.status == 200, mayPass { return .held }
      let reached = attack.arrived.first
      return reached == nil && answer.status >= 400
        ? .held : .broken("answered \(answer.status), the upstream got \(reached?.target ?? "nothing")")
    }
  }

  private static let pipelined = EgressCase(.framing, "pipelined", "Requests sent at once are decided one by one, answered in order.") {
    attack in
    let wire = try await attack.tunnel()
    try await wire.send(
      attack.request(attack.path + "/1") + attack.request("/closed" + attack.path + "/2") + attack.request(attack.path + "/3"))
    var statuses: [Int] = []
    for _ in 0..<3 { statuses.append(await attack.note(try await wire.answer()).status) }
    guard statuses == [200, 403, 200] else { return .broken("answered \(statuses)") }
    return attack.arrived.map { $0.target.suffix(2) } == ["/1", "/3"] ? .held : .broken("the upstream got \(attack.arrived.map(\.target))")
  }

  private static let early = EgressCase(.framing, "early-bytes", "Bytes that follow a refused CONNECT are no way around it.", isSafe: true)
  { attack in
    let wire = try await attack.open()
    try await wire.send(attack.connectHead("early.invalid:443") + attack.request())
    let answer = await attack.note(try await wire.answer())
    return attack.refused(answer, "host_not_allowed")
  }

  private static let inner = EgressCase(.framing, "connect-with-body", "A CONNECT with a body is refused.", isSafe: true) { attack in
    for field in ["content-length: 5", "transfer-encoding: chunked"] {
      let answer = try await attack.askProxy(attack.connectHead(attack.authority(), field) + "hello")
      guard answer.status >= 400 else { return .broken("\(field): answered \(answer.status)") }
    }
    return .held
  }

  private static let expect = EgressCase(.framing, "expect-continue", "A client that waits for 100 Continue gets it, and its body arrives.")
  { attack in
    let wire = try await attack.tunnel()
    try await wire.send(attack.request(method: "POST", ["content-length: 5", "expect: 100-continue"]))
    var answer = try await wire.answer()
    if answer.status == 100 {
      try await wire.send("hello")
      answer = try await wire.answer()
    }
    guard answer.status == 200 else { return .broken("answered \(answer.status)") }
    return attack.arrived.first?.body == Array("hello".utf8) ? .held : .broken("the body did not arrive")
  }

  private static let slowBody = EgressCase(
    .framing, "zero-length-follows", "A body's length is respected to the byte: what follows is the next request."
  ) { attack in
    let wire = try await attack.tunnel()
    let second = attack.request(attack.path + "/2")
    let body = "GET /inside HTTP/1.1\r\n\r\n"
    try await wire.send(attack.request(attack.path + "/1", method: "POST", ["content-length: \(body.utf8.count)"], body: body) + second)
    let statuses = [try await wire.answer().status, try await wire.answer().status]
    guard statuses == [200, 200] else { return .broken("answered \(statuses)") }
    return attack.arrived.count == 2 && attack.arrived[0].body == Array(body.utf8)
      ? .held : .broken("the upstream got \(attack.arrived.count) requests")
  }

  private static let chunkedPasses = EgressCase(
    .framing, "chunked-restated", "A chunked body arrives whole, without the client's extensions and trailers that name framing."
  ) { attack in
    let wire = try await attack.tunnel()
    try await wire.send(
      attack.request(method: "POST", ["transfer-encoding: chunked"])
        + "5;name=\"v\"\r\nhello\r\n1\r\n!\r\n0\r\ncontent-length: 9\r\nhost: evil.invalid\r\n\r\n")
    let answer = try await wire.answer()
    if answer.status >= 400 {
      return attack.arrived.allSatisfy { !$0.head.contains("evil.invalid") } ? .held : .broken("a trailer became a field")
    }
    guard attack.arrived.first?.body == Array("hello!".utf8) else { return .broken("the body is another one") }
    return attack.arrived.count == 1 ? .held : .broken("the upstream got several requests")
  }

  private static let split = EgressCase(.framing, "byte-by-byte", "A request is the same however its bytes are cut.") { attack in
    let wire = try await attack.tunnel()
    try await wire.send(attack.request(), inPiecesOf: 1)
    return attack.passed(try await wire.answer())
  }
}
