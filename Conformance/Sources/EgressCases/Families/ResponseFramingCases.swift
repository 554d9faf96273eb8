/// A hostile response harms nobody but its own request.
enum ResponseFramingCases {
  static let all: [EgressCase] = heads.map { head($0, $1) } + [poison, interims, brokenChunk, cut]

  private static let heads: [(String, String)] = [
    ("nonsense", "nonsense\r\n\r\n"), ("http-2", "HTTP/2 200 OK\r\n\r\n"), ("status-2000", "HTTP/1.1 2000 OK\r\n\r\n"),
    ("status-99", "HTTP/1.1 99 Low\r\n\r\n"),
    ("status-abc", "HTTP/1.1 abc OK\r\n\r\n"), ("empty-line-first", "\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("bare-lf", "HTTP/1.1 200 OK\nx: y\r\ncontent-length: 0\r\n\r\n"),
    ("bare-cr", "HTTP/1.1 200 OK\r\nx: a\rset-cookie: b\r\ncontent-length: 0\r\n\r\n"),
    ("nul", "HTTP/1.1 200 O\u{0}K\r\ncontent-length: 0\r\n\r\n"), ("folded", "HTTP/1.1 200 OK\r\nx: y\r\n z\r\ncontent-length: 0\r\n\r\n"),
    ("name-space", "HTTP/1.1 200 OK\r\ncontent-length : 1\r\n\r\na"),
    ("cl-twice", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na"),
    ("cl-te", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("cl-minus", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\na"),
    ("te-gzip", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("uninvited-upgrade", "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
    ("proxy-question", "HTTP/1.1 407 Proxy\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n"),
    ("many-fields", "HTTP/1.1 200 OK\r\n\(String(repeating: "x: 1\r\n", count: 2000))content-length: 0\r\n\r\n"),
    ("long-field", "HTTP/1.1 200 OK\r\nx: \(String(repeating: "a", count: 90_000))\r\ncontent-length: 0\r\n\r\n"),
  ]

  private static func head(_ name: String, _ response: String) -> EgressCase {
    EgressCase(.framing, "response-\(name)", "A malformed response head is a bad gateway, and nothing of it reaches the agent.") { attack in
      try attack.upstream.script(attack.mark) { wire, _ in
        try await wire.send(response)
        return false
      }
      let wire = try await attack.tunnel()
      try await wire.send(attack.request())
      return try await attack.refusedOrClosed(mayArrive: true, mayRestate: true) { await attack.note(try await wire.answer()) }
    }
  }

  private static let poison = EgressCase(.framing, "response-poison", "An answer that nobody asked for reaches no later request.") {
    attack in
    let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
    try attack.upstream.script(attack.mark) { wire, _ in
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + poison)
      return true
    }
    let wire = try await attack.tunnel()
    // A gateway may take the whole answer for malformed, and may end the tunnel.
    do {
      for number in 0..<5 {
        try await wire.send(attack.request(attack.path + "/\(number)"))
        let answer = try await wire.answer()
        guard answer.text == "ok" || answer.status >= 500 else {
          return .broken("request \(number) got \(answer.status) \(answer.text.prefix(40))")
        }
      }
    } catch  where Attack.isEnd(error) {}
    return .held
  }

  private static let interims = EgressCase(
    .framing, "response-interims", "Interim responses without end are bounded, or passed on one by one."
  ) { attack in
    try attack.upstream.script(attack.mark) { wire, _ in
      for _ in 0..<400 { try await wire.send("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n") }
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
      return false
    }
    let wire = try await attack.tunnel()
    try await wire.send(attack.request())
    var seen = 0
    do {
      while true {
        let answer = try await wire.answer()
        if answer.status >= 200 { return answer.text == "ok" || answer.status >= 500 ? .held : .broken("ended with \(answer.status)") }
        seen += 1
      }
    } catch  where Attack.isEnd(error) { return seen <= 400 ? .held : .broken("\(seen) interim responses") }
  }

  private static let brokenChunk = EgressCase(.framing, "response-broken-chunk", "A chunked body that breaks does not end cleanly.") {
    attack in
    try attack.upstream.script(attack.mark) { wire, _ in
      try await wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\nz\r\n")
      return false
    }
    let wire = try await attack.tunnel()
    try await wire.send(attack.request(["connection: close"]))
    let rest = String(decoding: try await wire.rest(), as: UTF8.self)
    return rest.hasSuffix("0\r\n\r\n") ? .broken("the body ended as if it were whole") : .held
  }

  private static let cut = EgressCase(.framing, "response-cut-short", "A body that is shorter than it said does not end cleanly.") {
    attack in
    try attack.upstream.script(attack.mark) { wire, _ in
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
      return false
    }
    let wire = try await attack.tunnel()
    try await wire.send(attack.request())
    do {
      let answer = try await wire.answer()
      return answer.status >= 500 ? .held : .broken("answered with \(answer.body.count) bytes")
    } catch  where Attack.isEnd(error) { return .held }
  }
}
