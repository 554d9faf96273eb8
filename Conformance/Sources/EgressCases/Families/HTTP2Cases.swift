/// HTTP/2 towards the gateway: the same promises, and nothing of the new form becomes a second request of the old.
enum HTTP2Cases {
  static let all: [EgressCase] =
    [works] + heads.map { head($0, $1) } + credentials + frames.map { frame($0, $1) }
    + [lengthDiffers, lengthShort, continuationFlood, resetFlood, pingFlood, hpackBomb, mixed]

  private static func open(_ attack: Attack) async throws -> HTTP2Wire {
    try attack.require(.http2)
    let wire = try await attack.tunnel(h2: true)
    guard try await wire.negotiated() == "h2" else { throw Ended() }
    return try await HTTP2Wire(wire)
  }

  private static func fields(_ attack: Attack, method: String = "GET") -> [(String, String)] {
    [(":method", method), (":scheme", "https"), (":authority", attack.authority()), (":path", attack.path)]
  }

  private static let works = EgressCase(.http2, "a-request", "A request over HTTP/2 passes, and reaches the upstream as one request.") {
    attack in
    let wire = try await open(attack)
    try await wire.headers(fields(attack) + [("x-a", "b")])
    return attack.passed(try await wire.answer())
  }

  /// What is done to the fields of a right request. Nothing of the result may pass.
  private static let heads: [(String, @Sendable ([(String, String)]) -> [(String, String)])] = [
    ("no-method", { Array($0.dropFirst()) }), ("no-path", { $0.filter { $0.0 != ":path" } }),
    ("no-scheme", { $0.filter { $0.0 != ":scheme" } }),
    ("two-paths", { $0 + [(":path", "/x")] }), ("two-authorities", { [(":authority", "other.test")] + $0 }),
    ("unknown-pseudo", { $0 + [(":x", "y")] }),
    ("status", { $0 + [(":status", "200")] }), ("pseudo-last", { [("x", "y")] + $0 }), ("empty-path", { set($0, ":path", "") }),
    ("path-space", { add($0, ":path", " HTTP/1.1\r\nx: y") }), ("path-crlf", { add($0, ":path", "\r\nhost: evil.invalid") }),
    ("path-lf", { add($0, ":path", "\nx") }),
    ("path-nul", { add($0, ":path", "\u{0}") }), ("path-no-slash", { set($0, ":path", "x") }),
    ("path-absolute", { set($0, ":path", "http://evil.invalid/") }),
    ("path-fragment", { add($0, ":path", "#x") }), ("method-space", { set($0, ":method", "GET / HTTP/1.1\r\nx:") }),
    ("method-lf", { set($0, ":method", "GET\n") }),
    ("method-empty", { set($0, ":method", "") }), ("scheme-crlf", { set($0, ":scheme", "https\r\nx: y") }),
    ("scheme-http", { set($0, ":scheme", "http") }),
    ("authority-other", { set($0, ":authority", "other.test:18443") }), ("authority-denied", { set($0, ":authority", "evil.invalid") }),
    ("authority-user", { set($0, ":authority", "u@allowed.test:18443") }), ("authority-crlf", { add($0, ":authority", "\r\nx: y") }),
    ("host-differs", { $0 + [("host", "other.test:18443")] }), ("upper-name", { $0 + [("X-Upper", "y")] }),
    ("name-crlf", { $0 + [("x\r\nhost", "evil.invalid")] }),
    ("name-colon", { $0 + [("x:y", "z")] }), ("name-space", { $0 + [("x y", "z")] }), ("name-empty", { $0 + [("", "z")] }),
    ("value-crlf", { $0 + [("x", "y\r\ntransfer-encoding: chunked")] }),
    ("value-lf", { $0 + [("x", "y\nz")] }), ("value-cr", { $0 + [("x", "y\rz")] }), ("value-nul", { $0 + [("x", "y\u{0}z")] }),
    ("value-request", { $0 + [("x", "y\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: allowed.test:18443\r\n\r\n")] }),
    ("connection", { $0 + [("connection", "close")] }),
    ("transfer-encoding", { $0 + [("transfer-encoding", "chunked")] }), ("upgrade", { $0 + [("upgrade", "websocket")] }),
    ("keep-alive", { $0 + [("keep-alive", "x")] }),
    ("proxy-connection", { $0 + [("proxy-connection", "close")] }), ("te", { $0 + [("te", "gzip")] }),
    ("two-lengths", { $0 + [("content-length", "0"), ("content-length", "1")] }),
    ("length-list", { $0 + [("content-length", "0, 0")] }), ("length-plus", { $0 + [("content-length", "+0")] }),
    ("connect", { _ in [(":method", "CONNECT"), (":authority", "evil.invalid:443")] }),
    ("protocol", { set($0, ":method", "CONNECT") + [(":protocol", "connect-udp")] }),
    ("large-field", { $0 + [("x", String(repeating: "a", count: 200_000))] }),
    ("many-fields", { $0 + (0..<4000).map { ("x-\($0)", "y") } }),
  ]

  private static func set(_ fields: [(String, String)], _ name: String, _ value: String) -> [(String, String)] {
    fields.map { $0.0 == name ? (name, value) : $0 }
  }
  private static func add(_ fields: [(String, String)], _ name: String, _ more: String) -> [(String, String)] {
    fields.map { $0.0 == name ? (name, $0.1 + more) : $0 }
  }

  private static func head(_ name: String, _ change: @escaping @Sendable ([(String, String)]) -> [(String, String)]) -> EgressCase {
    EgressCase(.http2, "head-\(name)", "A malformed head is refused, and becomes no request of HTTP/1.") { attack in
      let wire = try await open(attack)
      return try await attack.refusedOrClosed {
        try await wire.headers(change(fields(attack)))
        return await attack.note(try await wire.answer())
      }
    }
  }

  private static let credentials = [
    EgressCase(.http2, "credential", "A placeholder is replaced over HTTP/2 as well.") { attack in
      let secret = try attack.secret
      let wire = try await open(attack)
      try await wire.headers(fields(attack) + [("authorization", "Bearer \(secret.placeholder)")])
      let verdict = attack.passed(try await wire.answer())
      guard verdict == .held else { return verdict }
      return attack.arrived[0].values("authorization") == ["Bearer \(secret.value)"] ? .held : .broken("arrived as another value")
    },
    EgressCase(.http2, "credential-elsewhere", "A placeholder in another field or in the path is refused over HTTP/2 as well.") { attack in
      let secret = try attack.secret
      for change in [
        [("x-key", secret.placeholder)], [("cookie", "a=\(secret.placeholder)")], [("authorization", "Bearer \(secret.foreign)")],
      ] {
        let wire = try await open(attack)
        let verdict = try await attack.refusedOrClosed {
          try await wire.headers(fields(attack) + change)
          return try await wire.answer()
        }
        guard verdict == .held else { return verdict }
      }
      let wire = try await open(attack)
      return try await attack.refusedOrClosed {
        try await wire.headers(add(fields(attack), ":path", "?x=\(secret.placeholder)"))
        return try await wire.answer()
      }
    },
    EgressCase(.http2, "credential-in-cookie-crumbs", "A placeholder that is cut over cookie crumbs or fields is not put together.") {
      attack in
      let secret = try attack.secret
      let wire = try await open(attack)
      let (first, second) = (secret.placeholder.prefix(5), secret.placeholder.dropFirst(5))
      try await wire.headers(fields(attack) + [("authorization", "Bearer \(first)"), ("authorization", String(second))])
      _ = try await ending(wire)
      return attack.arrived.contains { $0.head.contains(secret.value) } ? .broken("the value arrived") : .held
    },
  ]

  /// Frames that no client sends.
  private static let frames: [(String, [UInt8])] = [
    ("data-first", HTTP2Wire.frame(0, 1, 1, [1])), ("data-on-0", HTTP2Wire.frame(0, 1, 0, [1])),
    ("even-stream", HTTP2Wire.frame(1, 5, 2, [0x82])),
    ("continuation-alone", HTTP2Wire.frame(9, 4, 1, [])), ("push", HTTP2Wire.frame(5, 4, 1, [0, 0, 0, 2, 0x82])),
    ("reset-0", HTTP2Wire.frame(3, 0, 0, [0, 0, 0, 0])),
    ("settings-short", HTTP2Wire.frame(4, 0, 0, [0, 1])), ("settings-on-1", HTTP2Wire.frame(4, 0, 1, [])),
    ("window-0", HTTP2Wire.frame(8, 0, 0, [0, 0, 0, 0])),
    ("window-overflow", HTTP2Wire.frame(8, 0, 0, [127, 255, 255, 255])),
    ("frame-too-long", HTTP2Wire.frame(0, 0, 1, [UInt8](repeating: 0, count: 20_000))),
    ("padding-too-long", HTTP2Wire.frame(1, 13, 1, [200, 0x82])), ("index-0", HTTP2Wire.frame(1, 5, 1, [0x80])),
    ("index-unknown", HTTP2Wire.frame(1, 5, 1, [0xff, 0xff, 0x7f])),
    ("priority-self", HTTP2Wire.frame(2, 0, 1, [0, 0, 0, 1, 0])), ("ping-short", HTTP2Wire.frame(6, 0, 0, [1])),
  ]

  /// Those of them that a server may pass over (RFC 9113 §5.3).
  private static let ignorable: Set<String> = ["priority-self"]

  private static func frame(_ name: String, _ bytes: [UInt8]) -> EgressCase {
    EgressCase(.http2, "frame-\(name)", "A frame that breaks the protocol ends the stream or the connection, and harms nobody else.") {
      attack in
      let wire = try await open(attack)
      guard try await wire.isRefused(bytes) || ignorable.contains(name) else { return .broken("it was taken") }
      guard attack.arrived.isEmpty else { return .broken("something reached the upstream") }
      return try await stillServes(attack)
    }
  }

  /// The answer, or nil when the stream or the connection was ended instead.
  private static func ending(_ wire: HTTP2Wire) async throws -> Answer? {
    do { return try await wire.answer() } catch  where Attack.isEnd(error) { return nil }
  }

  /// The gateway goes on for others.
  private static func stillServes(_ attack: Attack) async throws -> Verdict {
    let answer = try await attack.ask(attack.request(attack.path + "/after"))
    return answer.status == 200 ? .held : .broken("the next request was answered \(answer.status)")
  }

  private static let lengthDiffers = EgressCase(.http2, "length-longer-body", "A body that is longer than its length is no second request.")
  { attack in
    let wire = try await open(attack)
    try await wire.headers(fields(attack, method: "POST") + [("content-length", "0")], end: false)
    try? await wire.data("GET \(attack.path)/smuggled HTTP/1.1\r\nhost: \(attack.authority())\r\n\r\n")
    _ = try await ending(wire)
    return attack.arrived.contains { $0.target.contains("smuggled") } ? .broken("it was smuggled") : .held
  }

  private static let lengthShort = EgressCase(
    .http2, "length-shorter-body", "A body that is shorter than its length does not eat the next request."
  ) { attack in
    let wire = try await open(attack)
    try await wire.headers(fields(attack, method: "POST") + [("content-length", "500")], end: false)
    try? await wire.data("short")
    let answer = try await ending(wire)
    guard answer.map({ $0.status >= 400 }) ?? true else { return .broken("answered \(answer?.status ?? 0)") }
    return try await stillServes(attack)
  }

  private static func flood(_ name: String, _ claim: String, _ bytes: @escaping @Sendable (Int) -> [UInt8]) -> EgressCase {
    EgressCase(.http2, name, claim) { attack in
      let wire = try await open(attack)
      do {
        for number in 0..<200 { try await wire.wire.send((0..<50).flatMap { bytes(number * 50 + $0) }) }
      } catch  where Attack.isEnd(error) {}
      let verdict = try await stillServes(attack)
      await wire.wire.close()
      return verdict
    }
  }

  private static let continuationFlood = flood("flood-continuation", "Continuation frames without end are given up.") { number in
    number == 0
      ? HTTP2Wire.frame(1, 0, 1, HTTP2Wire.block([("x", "y")]))
      : HTTP2Wire.frame(9, 0, 1, HTTP2Wire.block([("x-\(number)", String(repeating: "y", count: 100))]))
  }
  private static let resetFlood = flood("flood-reset", "Streams that are opened and reset at once are bounded.") { number in
    let block = HTTP2Wire.block([(":method", "GET"), (":scheme", "https"), (":authority", "allowed.test:18443"), (":path", "/reset")])
    return HTTP2Wire.frame(1, 5, number * 2 + 1, block) + HTTP2Wire.frame(3, 0, number * 2 + 1, [0, 0, 0, 8])
  }
  private static let pingFlood = flood("flood-ping", "Pings without end are bounded.") { _ in
    HTTP2Wire.frame(6, 0, 0, [UInt8](repeating: 1, count: 8))
  }

  private static let hpackBomb = EgressCase(.http2, "header-bomb", "A field that is named again and again by one byte is bounded.") {
    attack in
    let wire = try await open(attack)
    // One large field goes into the table, then ten thousand references to it.
    let large = String(repeating: "b", count: 3900)
    let first: [UInt8] = [0x40] + Array(HTTP2Wire.block([("x", large)]).dropFirst())
    let block = first + [UInt8](repeating: 0xbe, count: 10_000)
    try? await wire.wire.send(HTTP2Wire.frame(1, 5, 1, block))
    let answer = try await ending(wire)
    guard answer.map({ $0.status >= 400 }) ?? true, attack.arrived.isEmpty else { return .broken("it passed") }
    return try await stillServes(attack)
  }

  private static let mixed = EgressCase(.http2, "closed-path", "Policy judges each stream: a closed path stays closed beside an open one.")
  { attack in
    let wire = try await open(attack)
    try await wire.headers(set(fields(attack), ":path", "/closed" + attack.path))
    let answer = try await wire.answer()
    guard answer.status == 403, attack.arrived.isEmpty else { return .broken("answered \(answer.status)") }
    return .held
  }
}
