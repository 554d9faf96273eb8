import NIOCore
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Synchronization
import Testing

@testable import PalanaEgress

/// Credentials in query, path, body and AWS signatures, over real sockets: what the upstream gets, what is written down, and that
/// nothing else leaves.
@Suite(.timeLimit(.minutes(10)))
struct CredentialPlacesTests {
  typealias Options = GatewayFixture.Options

  private static let places: Set<PlaceholderBinding.Place> = [.header("authorization"), .basic, .query("key"), .path, .body]

  /// Answers with nothing; notes heads together with their bodies.
  private static let note: Upstream.Script = { wire, upstream in
    while let head = try await wire.head() {
      let request = Response(head)
      var body = ""
      if let length = request["content-length"].flatMap({ Int($0) }) { body = try await wire.text(length) ?? "" }
      if request["transfer-encoding"] == "chunked" { body = "\(try await wire.discardChunks() ?? -1) bytes in chunks" }
      upstream.note(head + body)
      try await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    }
  }

  private func run(
    _ places: Set<PlaceholderBinding.Place> = places, _ options: Options = Options(),
    _ body: @Sendable @escaping (GatewayFixture, Upstream) async throws -> Void
  ) async throws {
    var options = options
    options.script = Self.note
    try await GatewayFixture.run(options) { fixture, upstream in
      var bound = Options()
      bound.bindings = [try fixture.binding(places: places)]
      await fixture.gateway.apply(try fixture.snapshot(2, options: bound))
      try await body(fixture, upstream)
      #expect(!fixture.sink.text.contains(GatewayFixture.canary))
    }
  }

  @Test func queryAndPathWithThePlaceholderInTheEvent() async throws {
    try await run { fixture, upstream in
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/bot\(GatewayFixture.placeholder)/getMe?x=1"))
        #expect(try await wire.response()?.status == 200)
        try await wire.send(fixture.request("/q?a=1&key=\(GatewayFixture.placeholder)"))
        #expect(try await wire.response()?.status == 200)
        try await wire.send(fixture.request("/q?other=\(GatewayFixture.placeholder)"))
        #expect(try await wire.response()?.reason == "placeholder_left")
      }
      #expect(upstream.requests.count == 2)
      #expect(upstream.requests.first?.hasPrefix("GET /bot\(GatewayFixture.canary)/getMe?x=1 HTTP/1.1\r\n") == true)
      #expect(upstream.requests.last?.hasPrefix("GET /q?a=1&key=\(GatewayFixture.canary) HTTP/1.1\r\n") == true)
      let events = await fixture.sink.events(3)
      #expect(events.map(\.request?.path) == ["/bot\(GatewayFixture.placeholder)/getMe", "/q", "/q"])
      #expect(events.map(\.secrets) == [["GITHUB_PAT"], ["GITHUB_PAT"], []])
    }
  }

  @Test func policyJudgesThePathWithThePlaceholder() async throws {
    try await run { fixture, upstream in
      var options = Options()
      options.bindings = [try fixture.binding(places: [.path])]
      options.rulesA = [
        EgressRule(host: "allowed.test", ports: [Int(upstream.port)], paths: ["/bot\(GatewayFixture.placeholder)/*"]),
        EgressRule(action: .deny, host: "allowed.test", ports: [Int(upstream.port)], paths: ["/*/deleteWebhook"]),
      ]
      await fixture.gateway.apply(try fixture.snapshot(3, options: options))
      try await fixture.tunnel { wire in
        try await wire.send(fixture.request("/bot\(GatewayFixture.placeholder)/getMe"))
        #expect(try await wire.response()?.status == 200)
        try await wire.send(fixture.request("/bot\(GatewayFixture.placeholder)/deleteWebhook"))
        #expect(try await wire.response()?.reason == "policy_denied")
      }
      #expect(upstream.requests.count == 1)
    }
  }

  @Test func bodiesHoweverTheyAreCut() async throws {
    try await run { fixture, upstream in
      let body = #"{"token":"\#(GatewayFixture.placeholder)","n":[1,2]}"#
      let sent = #"{"token":"\#(GatewayFixture.canary)","n":[1,2]}"#
      let json = "content-type: application/json"
      try await fixture.tunnel { wire in
        for size in [1, 7, body.utf8.count] {
          try await wire.send(fixture.request("/length", method: "POST", json, "content-length: \(body.utf8.count)"))
          for start in stride(from: 0, to: body.utf8.count, by: size) {
            try await wire.send(Array(body.utf8)[start..<min(start + size, body.utf8.count)].map { $0 })
          }
          #expect(try await wire.response()?.status == 200)
          try await wire.send(fixture.request("/chunks", method: "POST", json, "transfer-encoding: chunked"))
          for start in stride(from: 0, to: body.utf8.count, by: size) {
            let piece = Array(body.utf8)[start..<min(start + size, body.utf8.count)]
            try await wire.send("\(String(piece.count, radix: 16));x=\(GatewayFixture.placeholder)\r\n")
            try await wire.send(Array(piece) + [13, 10])
          }
          try await wire.send("0\r\n\r\n")
          #expect(try await wire.response()?.status == 200)
        }
      }
      #expect(upstream.requests.count == 6)
      for request in upstream.requests {
        #expect(request.hasSuffix("\r\n\r\n\(sent)"), "\(request)")
        #expect(request.contains("content-length: \(sent.utf8.count)\r\n"))
        #expect(!request.contains("transfer-encoding"))
      }
      #expect(await fixture.sink.events(6).allSatisfy { $0.secrets == ["GITHUB_PAT"] && $0.bytesSent == Int64(sent.utf8.count) })
    }
  }

  @Test func theClientNeedNotWaitForAnUpstreamThatIsNotAskedYet() async throws {
    try await run { fixture, upstream in
      try await fixture.tunnel { wire in
        let body = "a=\(GatewayFixture.placeholder)"
        try await wire.send(
          fixture.request(
            "/", method: "POST", "content-type: application/x-www-form-urlencoded", "content-length: \(body.utf8.count)",
            "expect: 100-continue"))
        #expect(try await wire.head()?.hasPrefix("HTTP/1.1 100 ") == true)
        try await wire.send(body)
        #expect(try await wire.response()?.status == 200)
      }
      #expect(upstream.requests.first?.hasSuffix("a=\(GatewayFixture.canary)") == true)
      #expect(upstream.requests.first?.contains("expect") == false)
    }
  }

  static let refused: [(fields: [String], body: String, status: Int, reason: String)] = [
    (["content-type: text/plain"], "TOKEN_GITHUB_PAT", 415, "body_not_rewritable"),
    (["content-type: application/json", "content-encoding: gzip"], "{}", 415, "body_not_rewritable"),
    (["content-type: application/json"], #"{"TOKEN_GITHUB_PAT":1}"#, 403, "placeholder_left"),
    (["content-type: application/json"], #"{"a":"TOKEN_OTHER"}"#, 403, "secret_not_bound"),
    (["content-type: application/json"], String(repeating: " ", count: 3000), 413, "body_too_large"),
  ]

  @Test func whatCannotBeRewrittenIsRefusedWhole() async throws {
    var options = Options()
    options.limits.bodyRewriteBytes = 2048
    try await run(Self.places, options) { fixture, upstream in
      for (index, row) in Self.refused.enumerated() {
        for isChunked in [false, true] {
          let answer = try await fixture.tunnel { wire in
            let framing = isChunked ? "transfer-encoding: chunked" : "content-length: \(row.body.utf8.count)"
            let head = fixture.request("/row\(index)", method: "POST", framing)
            let body = isChunked ? "\(String(row.body.utf8.count, radix: 16))\r\n\(row.body)\r\n0\r\n\r\n" : row.body
            try await wire.send(String(head.dropLast()) + row.fields.map { $0 + "\r\n" }.joined() + "\r\n" + body)
            return try await wire.response()
          }
          #expect(answer?.status == row.status, "\(row)")
          #expect(answer?.reason == row.reason, "\(row)")
        }
      }
      #expect(upstream.requests.isEmpty)
      #expect(await fixture.sink.events(2 * Self.refused.count).compactMap(\.reason) == Self.refused.flatMap { [$0.reason, $0.reason] })
    }
  }

  @Test func bodiesToOtherHostsStream() async throws {
    var options = Options()
    options.limits.bodyRewriteBytes = 10
    options.certificate = "other.test"
    try await run(Self.places, options) { fixture, upstream in
      let body = #"{"a":"\#(GatewayFixture.placeholder)"}"#
      try await fixture.tunnel("other.test") { wire in
        try await wire.send(
          fixture.request("/", method: "POST", host: "other.test", "content-type: text/plain", "content-length: \(body.utf8.count)") + body)
        #expect(try await wire.response()?.status == 200)
      }
      // Inert text, as it came.
      #expect(upstream.requests.first?.hasSuffix("\r\n\r\n\(body)") == true)
    }
  }

  @Test func valuesAreFetchedOnceForAllPlaces() async throws {
    try await run { fixture, upstream in
      fixture.secrets.state.withLock { $0.isCached = false }
      let placeholder = GatewayFixture.placeholder
      let body = "a=\(placeholder)"
      try await fixture.tunnel { wire in
        try await wire.send(
          fixture.request(
            "/\(placeholder)?key=\(placeholder)", method: "POST", "authorization: token \(placeholder)",
            "content-type: application/x-www-form-urlencoded", "content-length: \(body.utf8.count)") + body)
        #expect(try await wire.response()?.status == 200)
      }
      #expect(fixture.secrets.state.withLock { $0.fetches } == 1)
      let request = try #require(upstream.requests.first)
      #expect(request.split(separator: GatewayFixture.canary, omittingEmptySubsequences: false).count == 5)
      #expect(!request.contains(placeholder))
    }
  }

  @Test func aStoreThatIsDownSendsNothing() async throws {
    try await run { fixture, upstream in
      fixture.secrets.state.withLock { $0.isDown = true }
      try await fixture.tunnel { wire in
        let body = #"["\#(GatewayFixture.placeholder)"]"#
        try await wire.send(
          fixture.request("/", method: "POST", "content-type: application/json", "content-length: \(body.utf8.count)") + body)
        #expect(try await wire.response()?.reason == "secret_unavailable")
      }
      #expect(upstream.requests.isEmpty)
    }
  }

  @Test func aRequiredCredential() async throws {
    try await run { fixture, upstream in
      var binding = try fixture.binding()
      binding.isRequired = true
      var options = Options()
      options.bindings = [binding]
      await fixture.gateway.apply(try fixture.snapshot(3, options: options))
      try await fixture.tunnel { wire in
        for (fields, reason) in [
          ("authorization: Bearer mine", "credential_required" as String?), ("authorization: Bearer \(GatewayFixture.placeholder)", nil),
          ("x-other: y", nil),
        ] {
          try await wire.send(fixture.request("/", fields))
          #expect(try await wire.response()?.reason == reason, "\(fields)")
        }
      }
      #expect(upstream.requests.count == 2)
    }
  }

  // MARK: AWS

  private static func now() -> String {
    let digits = WallClock.system.now().description.prefix(19).filter { $0 != "-" && $0 != ":" }
    return "\(digits)Z"
  }

  private func runAWS(
    token: Bool = false, _ body: @Sendable @escaping (GatewayFixture, Upstream) async throws -> Void
  ) async throws {
    var options = Options()
    options.script = Self.note
    try await GatewayFixture.run(options) { fixture, upstream in
      var id = try fixture.binding("AKIAPLACEHOLDER00001", key: "access_key_id", places: [.awsSigV4])
      let secret = try fixture.binding("TOKEN_AWS_SECRET_ACCESS_KEY", key: "secret_access_key", places: [])
      let session = try fixture.binding("TOKEN_AWS_SESSION_TOKEN", key: "session_token", places: [.header("x-amz-security-token")])
      id.signing = PlaceholderBinding.Signing(
        region: "eu-west-1", service: "s3", secretKey: secret.ref, sessionToken: token ? session.ref : nil)
      fixture.secrets.set("access_key_id", "AKIDEXAMPLE")
      fixture.secrets.set("secret_access_key", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
      fixture.secrets.set("session_token", "real-session-token")
      var bound = Options()
      bound.bindings = token ? [id, secret, session] : [id, secret]
      await fixture.gateway.apply(try fixture.snapshot(2, options: bound))
      try await body(fixture, upstream)
      for value in ["wJalrXUtnFEMI", "AKIDEXAMPLE", "real-session-token"] { #expect(!fixture.sink.text.contains(value)) }
    }
  }

  private static func authorization(
    _ time: String, id: String = "AKIAPLACEHOLDER00001", scope: String = "eu-west-1/s3", algorithm: String = "AWS4-HMAC-SHA256"
  ) -> String {
    "authorization: \(algorithm) Credential=\(id)/\(time.prefix(8))/\(scope)/aws4_request, "
      + "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=\(String(repeating: "0", count: 64))"
  }

  /// What the real key signs for the request that the upstream got.
  private func expected(_ request: String, _ fixture: GatewayFixture, names: [String], payload: String) -> String {
    let head = Response(request)
    let target = request.split(separator: " ")[1].split(separator: "?", maxSplits: 1)
    let signer = AWSSigner(
      method: String(request.prefix { $0 != " " }), path: Array(target[0].utf8), query: Array((target.count > 1 ? target[1] : "").utf8),
      headers: names.map { ($0, Array((head[$0] ?? "?").utf8)) }, payload: payload, time: head["x-amz-date"] ?? "", region: "eu-west-1",
      service: "s3")
    return String(
      decoding: signer.authorization(
        accessKey: Redacted("AKIDEXAMPLE"), secretKey: Redacted("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
      ).reveal(), as: UTF8.self)
  }

  @Test func requestsAreSignedAgain() async throws {
    try await runAWS { fixture, upstream in
      let time = Self.now()
      let empty = AWSSigner.hash([])
      try await fixture.tunnel { wire in
        try await wire.send(
          fixture.request(
            "/a%20b?list-type=2&prefix=a%2Fb", Self.authorization(time), "x-amz-date: \(time)", "x-amz-content-sha256: \(empty)"))
        #expect(try await wire.response()?.status == 200)
        // A body that streams, with the hash that the agent states.
        try await wire.send(
          fixture.request(
            "/key", method: "PUT", Self.authorization(time), "x-amz-date: \(time)", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
            "content-length: 5") + "hello")
        #expect(try await wire.response()?.status == 200)
        // A body without one.
        try await wire.send(
          fixture.request("/", method: "POST", Self.authorization(time), "x-amz-date: \(time)", "transfer-encoding: chunked")
            + "5\r\nhello\r\n0\r\n\r\n")
        #expect(try await wire.response()?.status == 200)
      }
      let payloads = [empty, "UNSIGNED-PAYLOAD", AWSSigner.hash(Array("hello".utf8))]
      #expect(upstream.requests.count == 3)
      for (index, (request, payload)) in zip(upstream.requests, payloads).enumerated() {
        let names = index == 2 ? ["host", "x-amz-date"] : ["host", "x-amz-content-sha256", "x-amz-date"]
        #expect(Response(request)["authorization"] == expected(request, fixture, names: names, payload: payload))
      }
      #expect(await fixture.sink.events(3).map(\.secrets) == [["GITHUB_PAT"], ["GITHUB_PAT"], ["GITHUB_PAT"]])
    }
  }

  @Test func sessionTokensArePutInOrAdded() async throws {
    try await runAWS(token: true) { fixture, upstream in
      let time = Self.now()
      let hash = "x-amz-content-sha256: UNSIGNED-PAYLOAD"
      try await fixture.tunnel { wire in
        for more in ["x-amz-security-token: TOKEN_AWS_SESSION_TOKEN", "x-other: 1"] {
          try await wire.send(fixture.request("/", Self.authorization(time), "x-amz-date: \(time)", hash, more))
          #expect(try await wire.response()?.status == 200)
        }
      }
      #expect(upstream.requests.count == 2)
      for request in upstream.requests {
        #expect(Response(request)["x-amz-security-token"] == "real-session-token")
        #expect(
          Response(request)["authorization"]
            == expected(
              request, fixture, names: ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"],
              payload: "UNSIGNED-PAYLOAD"))
      }
    }
  }

  @Test func signaturesThatCannotBeMadeAgain() async throws {
    try await runAWS { fixture, upstream in
      let time = Self.now()
      let date = "x-amz-date: \(time)"
      let hash = "x-amz-content-sha256: UNSIGNED-PAYLOAD"
      let rows: [(target: String, fields: [String], reason: String)] = [
        ("/", [Self.authorization(time, scope: "eu-west-2/s3"), date, hash], "secret_not_bound"),
        ("/", [Self.authorization(time, scope: "eu-west-1/sqs"), date, hash], "secret_not_bound"),
        ("/", [Self.authorization(time, id: "AKIAPLACEHOLDER00001x"), date, hash], "secret_not_bound"),
        ("/", [Self.authorization(time, algorithm: "AWS4-ECDSA-P256-SHA256"), date, hash], "signature_not_supported"),
        ("/", [Self.authorization(time), hash], "signature_not_supported"),
        ("/", [Self.authorization("20200101T000000Z"), "x-amz-date: 20200101T000000Z", hash], "signature_not_supported"),
        ("/", [Self.authorization("20200101T000000Z"), date, hash], "signature_not_supported"),
        ("/", [Self.authorization(time), date, date, hash], "signature_not_supported"),
        ("/", [Self.authorization(time), date, "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD"], "signature_not_supported"),
        ("/", [Self.authorization(time), date, hash, "x-amz-security-token: x"], "signature_not_supported"),
        ("/", [Self.authorization(time), Self.authorization(time), date, hash], "malformed_request"),
        ("/", ["authorization: Bearer AKIAPLACEHOLDER00001"], "secret_not_bound"),
        ("/", ["x-key: TOKEN_AWS_SECRET_ACCESS_KEY"], "secret_not_bound"),
        (
          "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAPLACEHOLDER00001%2F20261126%2Feu-west-1%2Fs3%2Faws4_request", [],
          "signature_not_supported"
        ),
      ]
      for row in rows {
        let answer = try await fixture.tunnel { wire in
          let head = fixture.request(row.target)
          try await wire.send(String(head.dropLast()) + row.fields.map { $0 + "\r\n" }.joined() + "\r\n")
          return try await wire.response()
        }
        #expect(answer?.reason == row.reason, "\(row)")
      }
      #expect(upstream.requests.isEmpty)
    }
  }
}
