/// An upstream that sends the credential back: the agent sees a mark instead.
enum EchoCases {
  static let all: [EgressCase] =
    [
      echo("body", "HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\nVALUE"),
      echo("body-twice", "HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\n\r\nVALUEVALUE"),
      echo("header", "HTTP/1.1 200 OK\r\nx-echo: VALUE\r\ncontent-length: 0\r\n\r\n"),
      echo("header-name", "HTTP/1.1 200 OK\r\nx-VALUE: y\r\ncontent-length: 0\r\n\r\n"),
      echo("cookie", "HTTP/1.1 200 OK\r\nset-cookie: a=VALUE; path=/\r\ncontent-length: 0\r\n\r\n"),
      echo("redirect", "HTTP/1.1 302 Found\r\nlocation: https://x.invalid/?t=VALUE\r\ncontent-length: 0\r\n\r\n"),
      echo("phrase", "HTTP/1.1 401 no VALUE\r\ncontent-length: 0\r\n\r\n"),
      echo("error-page", "HTTP/1.1 500 Oops\r\ncontent-length: LENGTH\r\n\r\n<pre>Authorization: Bearer VALUE</pre>"),
      echo("interim", "HTTP/1.1 103 Early Hints\r\nlink: </VALUE>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
      echo("until-close", "HTTP/1.1 200 OK\r\n\r\nbefore VALUE after"),
      echo("chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nCHUNKS0\r\n\r\n"),
      echo("trailer", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n1\r\na\r\n0\r\nx-t: VALUE\r\n\r\n"),
      echo("chunk-extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=VALUE\r\na\r\n0\r\n\r\n"),
      echo("event-stream", "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: VALUE\n\ndata: x\n\n"),
      echo("prefixes", "HTTP/1.1 200 OK\r\n\r\nPREFIXVALUE"),
    ]

  /// `VALUE` is the secret; the bytes are sent one by one, so that a search that forgets what came before finds nothing.
  private static func echo(_ name: String, _ response: String) -> EgressCase {
    EgressCase(.echoes, name, "A credential that comes back is masked, wherever it stands and however it is cut.") { attack in
      try attack.require(.scrubbing)
      let secret = try attack.secret
      let chunks = secret.value.utf8.map { "1\r\n\(Character(Unicode.Scalar($0)))\r\n" }.joined()
      var text = response.replacing("CHUNKS", with: chunks).replacing("PREFIX", with: secret.value.dropLast()).replacing(
        "VALUE", with: secret.value)
      if let body = text.firstRange(of: "\r\n\r\n").map({ text[$0.upperBound...].utf8.count }) {
        text = text.replacing("LENGTH", with: "\(body)")
      }
      let sent = text
      try attack.upstream.script(attack.mark) { wire, _ in
        try await wire.send(sent, inPiecesOf: 1)
        return false
      }
      let wire = try await attack.tunnel()
      try await wire.send(attack.request(["authorization: Bearer \(secret.placeholder)", "connection: close"]))
      let got = String(decoding: try await wire.rest(), as: UTF8.self)
      // The pieces of a chunked body, put together again.
      let joined = got.replacing("\r\n1\r\n", with: "").replacing("\r\n", with: "")
      guard got.hasPrefix("HTTP/1.1 ") else { return .broken("no answer") }
      return got.contains(secret.value) || joined.contains(secret.value) ? .broken("the agent got the value") : .held
    }
  }
}
