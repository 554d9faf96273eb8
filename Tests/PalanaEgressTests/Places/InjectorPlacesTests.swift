import Fuzzing
import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// A placeholder in every place and in none: replaced exactly once, or refused.
@Suite struct InjectorPlacesTests {
  // MARK: Query

  static let encoded = "va%22l%5Cue%20%2F%25%26%3D%3B%3A%40%2B%C3%A9"

  static let queries: [(query: String, sent: String?, reason: DenialReason?)] = [
    ("key=TOKEN_KEY", "key=\(encoded)", nil), ("a=1&key=TOKEN_KEY&b=2", "a=1&key=\(encoded)&b=2", nil),
    ("key=x-TOKEN_KEY.y", "key=x-\(encoded).y", nil), ("%6Bey=TOKEN_KEY", "%6Bey=\(encoded)", nil),
    ("key=%54OKEN%5FKEY", "key=\(encoded)", nil), ("key=%54OKEN_KEY%20TOKEN_KEY", "key=\(encoded)%20\(encoded)", nil),
    ("key=a=TOKEN_KEY", "key=a=\(encoded)", nil), ("&&key=TOKEN_KEY&", "&&key=\(encoded)&", nil),
    ("other=TOKEN_KEY", nil, .placeholderLeft), ("KEY=TOKEN_KEY", nil, .placeholderLeft), ("TOKEN_KEY=1", nil, .placeholderLeft),
    ("TOKEN_KEY", nil, .placeholderLeft), ("key=%2554OKEN_KEY", nil, .placeholderLeft), ("key=1;key=TOKEN_KEY", nil, .placeholderLeft),
    ("key=TOKEN_KEY&key=x", nil, .malformedRequest), ("key=TOKEN_KEY&%6bey=x", nil, .malformedRequest),
    ("key=TOKEN_KEY&key=TOKEN_KEY", nil, .malformedRequest), ("key=TOKEN_KEY&x=%54OKEN_KEY", nil, .placeholderLeft),
    ("key=TOKEN_KEY&x=%2554OKEN_KEY", nil, .placeholderLeft), ("key=TOKEN_OTHER", nil, .placeholderLeft),
    ("key=TOKEN_KEY2", nil, .placeholderLeft),
    ("k%2565y=TOKEN_KEY", nil, .placeholderLeft),
    ("key[]=TOKEN_KEY", nil, .placeholderLeft),
    ("x=1%202", "x=1%202", nil),
  ]

  @Test(arguments: queries)
  func query(query: String, sent: String?, reason: DenialReason?) throws {
    let probe = try PlacesProbe(places: [.query("key")])
    #expect(try probe.reason("GET /a/b?\(query)") == reason)
    guard let sent else { return }
    #expect(try probe.send("GET /a/b?\(query)").head.hasPrefix("GET /a/b?\(sent) HTTP/1.1\r\n"))
  }

  @Test func otherHostsGetNothing() throws {
    let probe = try PlacesProbe(places: [.query("key"), .path, .body], host: "other.test")
    #expect(try probe.reason("GET /?key=TOKEN_KEY") == .placeholderLeft)
    #expect(try probe.reason("GET /TOKEN_KEY") == .placeholderLeft)
    // Nothing may stand in the bodies of requests to this host, so what stands there is only text.
    #expect(try probe.send("POST /", ["content-type: application/json"], body: #"{"a":"TOKEN_KEY"}"#).body == #"{"a":"TOKEN_KEY"}"#)
  }

  // MARK: Path

  static let paths: [(path: String, value: String, sent: String?, reason: DenialReason?)] = [
    ("/botTOKEN_KEY/getMe", "123:AB-c", "/bot123:AB-c/getMe", nil), ("/TOKEN_KEY", "v", "/v", nil),
    ("/TOKEN_KEY/", "a b?#;é", "/a%20b%3F%23%3B%C3%A9/", nil),
    ("/%54OKEN%5FKEY/x", "v", "/v/x", nil), ("/a%2Fb/TOKEN_KEY", "v", "/a%2Fb/v", nil), ("/TOKEN_KEY/TOKEN_KEY", "v", "/v/v", nil),
    ("/TOKEN_KEY", "..", nil, .secretUnavailable), ("/TOKEN_KEY", ".", nil, .secretUnavailable),
    ("/.TOKEN_KEY/x", ".", nil, .secretUnavailable),
    ("/TOKEN_KEY", "a/b", nil, .secretUnavailable), ("/TOKEN_KEY", "a\\b", nil, .secretUnavailable),
    ("/TOKEN_KEY", "%2e%2e", nil, .secretUnavailable),
    ("/TOKEN_KEY", "%2F", nil, .secretUnavailable), ("/TOKEN_OTHER", "v", nil, .placeholderLeft),
    ("/TOKEN_KEY2", "v", nil, .placeholderLeft),
    ("/%2554OKEN_KEY", "v", nil, .placeholderLeft), ("/TOKEN_KEY/%2554OKEN_KEY", "v", nil, .placeholderLeft),
    ("/TOKEN_KEY?a=TOKEN_KEY", "v", nil, .placeholderLeft),
  ]

  @Test(arguments: paths)
  func path(path: String, value: String, sent: String?, reason: DenialReason?) throws {
    let probe = try PlacesProbe(places: [.path], value: value)
    #expect(try probe.reason("GET \(path)?q=1".replacing("?a=TOKEN_KEY?q=1", with: "?a=TOKEN_KEY")) == reason)
    guard let sent else { return }
    #expect(try probe.send("GET \(path)").head.hasPrefix("GET \(sent) HTTP/1.1\r\n"))
  }

  // MARK: Bodies

  static let json = #"va\"l\\ue /%&=;:@+é"#

  static let bodies: [(type: String, body: String, sent: String?, reason: DenialReason?)] = [
    ("application/json", #"{"a":"TOKEN_KEY"}"#, #"{"a":"\#(json)"}"#, nil),
    (
      "application/json", #"{"a":["x TOKEN_KEY y",{"b":"TOKEN_KEY"}],"n":1.5e3}"#, #"{"a":["x \#(json) y",{"b":"\#(json)"}],"n":1.5e3}"#,
      nil
    ),
    ("application/json; charset=utf-8", #""\u0054OKEN\u005fKEY""#, #""\#(json)""#, nil),
    ("application/graphql+json", #"["T\u004fKEN_KEY"]"#, #"["\#(json)"]"#, nil),
    ("application/json", #"{"a":"{\"b\":\"TOKEN_KEY\"}"}"#, #"{"a":"{\"b\":\"\#(json)\"}"}"#, nil),
    ("application/json", #"{"a":"nothing"}"#, #"{"a":"nothing"}"#, nil),
    ("application/json", #"{"a":"TOKEN_KEY","a":"x"}"#, nil, .bodyNotRewritable),
    ("application/json", #"{"a":1,"\u0061":"TOKEN_KEY"}"#, nil, .bodyNotRewritable),
    ("application/json", #"{"TOKEN_KEY":"a"}"#, nil, .placeholderLeft),
    ("application/json", #"{"a":"TOKEN_KEY","\u0054OKEN_KEY":1}"#, nil, .placeholderLeft),
    ("application/json", #"{"a":"TOKEN_OTHER"}"#, nil, .secretNotBound), ("application/json", #"{"a":"TOKEN_KEY2"}"#, nil, .secretNotBound),
    ("application/json", #"{"a":"%54OKEN_KEY"}"#, nil, .placeholderLeft),
    ("application/json", #"{"a":"\\u0054OKEN_KEY"}"#, nil, .placeholderLeft),
    ("application/json", #"{"a":"TOKEN_KEY","b":"%2554OKEN_KEY"}"#, nil, .placeholderLeft),
    ("application/json", #"{"a":TOKEN_KEY}"#, nil, .bodyNotRewritable),
    ("application/json", #"{"a":"TOKEN_KEY"} trailing"#, nil, .bodyNotRewritable),
    ("application/json", #"/*TOKEN_KEY*/{}"#, nil, .bodyNotRewritable),
    ("application/json; charset=utf-16", #"{"a":"TOKEN_KEY"}"#, nil, .bodyNotRewritable),
    ("text/plain", "TOKEN_KEY", nil, .bodyNotRewritable),
    ("text/plain", "nothing", "nothing", nil), ("application/xml", "<a>TOKEN_KEY</a>", nil, .bodyNotRewritable),
    ("", "TOKEN_KEY", nil, .bodyNotRewritable),
    ("application/octet-stream", "\u{0}T\u{0}O\u{0}K\u{0}E\u{0}N\u{0}_\u{0}K\u{0}E\u{0}Y", nil, .bodyNotRewritable),
    ("application/json, text/plain", #"{"a":"TOKEN_KEY"}"#, nil, .bodyNotRewritable),
    ("application/x-www-form-urlencoded", "a=TOKEN_KEY&b=1", "a=\(encoded)&b=1", nil),
    ("application/x-www-form-urlencoded", "a=%54OKEN_KEY+x", "a=\(encoded)+x", nil),
    ("application/x-www-form-urlencoded", "TOKEN_KEY=1", nil, .placeholderLeft),
    ("application/x-www-form-urlencoded", "TOKEN_KEY", nil, .placeholderLeft),
    ("application/x-www-form-urlencoded", "a=TOKEN_KEY&a=2", nil, .bodyNotRewritable),
    ("application/x-www-form-urlencoded", "a=TOKEN_KEY&%61=2", nil, .bodyNotRewritable),
    ("application/x-www-form-urlencoded", "a=1;b=TOKEN_KEY", nil, .bodyNotRewritable),
    ("application/x-www-form-urlencoded", "a=%2554OKEN_KEY", nil, .placeholderLeft),
    ("application/x-www-form-urlencoded", "a=TOKEN_KEY&b=%2554OKEN_KEY", nil, .placeholderLeft),
    ("application/x-www-form-urlencoded; charset=utf-16", "a=TOKEN_KEY", nil, .bodyNotRewritable),
    (
      "multipart/form-data; boundary=B", part("name=\"a\"", "TOKEN_KEY") + part("name=\"b\"", "x") + "--B--\r\n",
      part("name=\"a\"", PlacesProbe.value) + part("name=\"b\"", "x") + "--B--\r\n", nil
    ),
    (
      "multipart/form-data; boundary=\"B\"", part("name=\"a\"", "x TOKEN_KEY", "Content-Type: text/plain; charset=utf-8\r\n") + "--B--",
      part("name=\"a\"", "x \(PlacesProbe.value)", "Content-Type: text/plain; charset=utf-8\r\n") + "--B--", nil
    ),
    ("multipart/form-data; boundary=B", part("name=\"TOKEN_KEY\"", "x") + "--B--", nil, .placeholderLeft),
    ("multipart/form-data; boundary=B", part("name=\"f\"; filename=\"TOKEN_KEY\"", "x") + "--B--", nil, .placeholderLeft),
    ("multipart/form-data; boundary=B", part("name=\"f\"; filename=\"x\"", "TOKEN_KEY") + "--B--", nil, .placeholderLeft),
    ("multipart/form-data; boundary=B", part("name=\"f\"; filename*=UTF-8''x", "TOKEN_KEY") + "--B--", nil, .placeholderLeft),
    (
      "multipart/form-data; boundary=B", part("name=\"a\"", "TOKEN_KEY", "Content-Type: application/json\r\n") + "--B--", nil,
      .placeholderLeft
    ),
    (
      "multipart/form-data; boundary=B", part("name=\"a\"", "TOKEN_KEY", "Content-Transfer-Encoding: base64\r\n") + "--B--", nil,
      .placeholderLeft
    ),
    ("multipart/form-data; boundary=B", part("name=\"a\"", "TOKEN_KEY", "X-Note: TOKEN_KEY\r\n") + "--B--", nil, .placeholderLeft),
    ("multipart/form-data; boundary=B", part("name=\"a\"", "TOKEN_KEY") + part("name=\"a\"", "x") + "--B--", nil, .bodyNotRewritable),
    ("multipart/form-data; boundary=B", "comment TOKEN_KEY\r\n" + part("name=\"a\"", "x") + "--B--", nil, .bodyNotRewritable),
    ("multipart/form-data; boundary=B", part("name=\"a\"", "x") + "--B--\r\nTOKEN_KEY", nil, .bodyNotRewritable),
    ("multipart/form-data; boundary=B", part("name=\"a\"", "TOKEN_KEY\r\n--Bx"), nil, .bodyNotRewritable),
    ("multipart/form-data; boundary=B", part("name=\"a\"", "TOKEN_KEY"), nil, .bodyNotRewritable),
    ("multipart/form-data; boundary=B", "--B\r\n\r\nTOKEN_KEY\r\n--B--", nil, .bodyNotRewritable),
    ("multipart/form-data; boundary=B", "--B\nContent-Disposition: form-data; name=a\n\nTOKEN_KEY\n--B--", nil, .bodyNotRewritable),
    ("multipart/form-data", part("name=\"a\"", "TOKEN_KEY") + "--B--", nil, .bodyNotRewritable),
    (
      "multipart/form-data; boundary=TOKEN_KEY", "--TOKEN_KEY\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--TOKEN_KEY--", nil,
      .secretNotBound
    ),
    ("multipart/mixed; boundary=B", part("name=\"a\"", "TOKEN_KEY") + "--B--", nil, .bodyNotRewritable),
  ]

  private static func part(_ parameters: String, _ contents: String, _ fields: String = "") -> String {
    "--B\r\nContent-Disposition: form-data; \(parameters)\r\n\(fields)\r\n\(contents)\r\n"
  }

  @Test(arguments: bodies)
  func body(type: String, body: String, sent: String?, reason: DenialReason?) throws {
    let probe = try PlacesProbe(places: [.body])
    let fields = type.isEmpty ? [] : ["content-type: \(type)"]
    #expect(try probe.reason("POST /", fields, body: body) == reason, "\(type) \(body)")
    guard let sent else { return }
    let result = try probe.send("POST /", fields, body: body)
    #expect(result.body == sent)
    #expect(result.head.contains("content-length: \(sent.utf8.count)\r\n"))
  }

  @Test func aValueDoesNotEndAPart() throws {
    let probe = try PlacesProbe(places: [.body], value: "x--By")
    let body = Self.part("name=\"a\"", "TOKEN_KEY") + "--B--"
    #expect(try probe.reason("POST /", ["content-type: multipart/form-data; boundary=B"], body: body) == .secretUnavailable)
  }

  @Test func bodiesThatCannotBeLookedInto() throws {
    let probe = try PlacesProbe(places: [.body])
    let json = "content-type: application/json"
    #expect(try probe.reason("POST /", [json, "content-encoding: gzip"], body: "x") == .bodyNotRewritable)
    #expect(try probe.reason("POST /", [json, "content-encoding: identity"], body: "{}") == nil)
    #expect(try probe.reason("POST /", [json], body: String(repeating: "x", count: 1001)) == .bodyTooLarge)
    for digest in [
      "content-md5: x", "Digest: sha-256=x", "content-digest: sha-256=:x:", "x-amz-content-sha256: 00", "x-amz-checksum-crc32: x",
    ] {
      #expect(try probe.reason("POST /", [json, digest], body: #"{"a":"TOKEN_KEY"}"#) == .bodyNotRewritable, "\(digest)")
      #expect(try probe.reason("POST /", [json, digest], body: "{}") == nil, "\(digest)")
    }
    #expect(try probe.reason("POST /", [json, json], body: #"{"a":"TOKEN_KEY"}"#) == .bodyNotRewritable)
    #expect(DenialReason.bodyTooLarge.status == 413 && DenialReason.bodyNotRewritable.status == 415)
  }

  @Test func anyBytesInABody() throws {
    let probe = try PlacesProbe(places: [.body], value: "REAL")
    var dice = FuzzTests.Dice(5)
    let seeds = Self.bodies.filter { $0.sent != nil }
    let spice = ["\"", "\\", "\\u0054", "%54", "{", "}", ",", ":", "&", "=", ";", "\r\n", "--B", "--B--", "TOKEN_KEY", "TOKEN_", "\u{0}"]
    for _ in 0..<4000 {
      guard let seed = seeds.randomElement(using: &dice) else { return }
      var bytes = Array(seed.body.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &dice) {
        let place = Int.random(in: 0...bytes.count, using: &dice)
        let end = min(bytes.count, place + Int.random(in: 0...6, using: &dice))
        bytes.replaceSubrange(place..<end, with: Array((spice.randomElement(using: &dice) ?? "").utf8))
      }
      guard bytes.count <= 1000, let sent = try? probe.send("POST /", ["content-type: \(seed.type)"], bytes: bytes).body else { continue }
      // What passes holds no placeholder any more, in no spelling.
      let isLeft = Spellings.holdPlaceholder(sent.utf8Span.span, probe.injector.agent.scanner)
      #expect(!isLeft, "\(sent.debugDescription)")
    }
  }

  // MARK: Basic

  static let basics: [(credential: String, sent: String?, reason: DenialReason?)] = [
    ("TOKEN_KEY:x", "v1:x", nil), ("x:TOKEN_KEY", "x:v1", nil), ("TOKEN_KEY:TOKEN_KEY", "v1:v1", nil),
    ("TOKEN_KEY_LONG:TOKEN_KEY", "v2:v1", nil),
    ("a-TOKEN_KEY-TOKEN_KEY_LONG:x", "a-v1-v2:x", nil), ("TOKEN_KEY", "v1", nil), ("x:TOKEN%5FKEY", nil, .placeholderLeft),
    ("TOKEN_KEY:%54OKEN_KEY", nil, .placeholderLeft), ("TOKEN_KEY:%2554OKEN_KEY", nil, .placeholderLeft),
    ("x:TOKEN_KEY_LONGER", nil, .secretNotBound),
    ("x:TOKEN_OTHER", nil, .secretNotBound),
  ]

  @Test(arguments: basics)
  func basic(credential: String, sent: String?, reason: DenialReason?) throws {
    let long = try PlacesProbe.binding("LONG", placeholder: "TOKEN_KEY_LONG", places: [.basic])
    let probe = try PlacesProbe(places: [.basic], value: "v1", more: [long])
    probe.secrets.set("LONG", "v2")
    func field(_ text: String) -> String { "authorization: Basic \(String(decoding: Base64.encode(Array(text.utf8)), as: UTF8.self))" }
    #expect(try probe.reason("GET /", [field(credential)]) == reason)
    if let sent { #expect(try probe.send("GET /", [field(credential)]).head.contains(field(sent) + "\r\n")) }
  }

  // MARK: Required

  static let required: [(field: String, passes: Bool)] = [
    ("authorization: Bearer TOKEN_KEY", true), ("authorization: TOKEN_KEY", true), ("authorization: Bearer other", false),
    ("authorization: Bearer other TOKEN_KEY", false), ("authorization: Bearer TOKEN_KEY other", false),
    ("authorization: Bearer other,TOKEN_KEY", false),
    ("authorization: Token token=TOKEN_KEY", true), ("authorization: Basic eDpvdGhlcg==", false), ("x-api-key: TOKEN_KEY", true),
    ("x-api-key: other", false),
    ("X-Api-Key: other", false), ("x-other: other", true), ("authorization:", true),
    ("authorization: Basic \(String(decoding: Base64.encode(Array("x:TOKEN_KEY".utf8)), as: UTF8.self))", true),
    ("authorization: Basic \(String(decoding: Base64.encode(Array("x:yTOKEN_KEY".utf8)), as: UTF8.self))", false),
    ("authorization: AWS4-HMAC-SHA256 Credential=AKIA/20261126/r/s/aws4_request, SignedHeaders=host, Signature=x", false),
  ]

  @Test(arguments: required)
  func requiresItsOwnCredential(field: String, passes: Bool) throws {
    let places: Set<PlaceholderBinding.Place> = [.header("authorization"), .basic, .header("x-api-key"), .query("key")]
    let probe = try PlacesProbe(places: places, isRequired: true, value: "v")
    #expect(try probe.reason("GET /?a=1", [field]) == (passes ? nil : .credentialRequired))
    let free = try PlacesProbe(places: places, value: "v")
    #expect(try free.reason("GET /", [field]) == nil)
    let elsewhere = try PlacesProbe(places: [.header("authorization")], host: "other.test", isRequired: true)
    if !passes, !field.contains("TOKEN_KEY"), !field.contains("eDp5") { #expect(try elsewhere.reason("GET /", [field]) == nil) }
  }

  @Test func requiresItsOwnParameter() throws {
    let probe = try PlacesProbe(places: [.query("key")], isRequired: true, value: "v")
    #expect(try probe.reason("GET /?key=TOKEN_KEY") == nil)
    #expect(try probe.reason("GET /?key=") == nil)
    #expect(try probe.reason("GET /?a=b") == nil)
    #expect(try probe.reason("GET /") == nil)
    #expect(try probe.reason("GET /?key=other") == .credentialRequired)
    #expect(try probe.reason("GET /?%6bey=other") == .credentialRequired)
    #expect(try probe.reason("GET /", ["authorization: Bearer other"]) == nil)
  }
}
