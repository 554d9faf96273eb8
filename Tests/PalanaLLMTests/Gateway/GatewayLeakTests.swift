import Foundation
import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaSecrets
import Testing

@testable import PalanaLLM

/// Values of secrets go neither to a model nor to an agent.
@Suite(.timeLimit(.minutes(2))) struct GatewayLeakTests {
  static let value = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
  static let path = GatewayCallTests.path

  struct Attempt: Sendable, CustomTestStringConvertible {
    var what: String
    var path = GatewayLeakTests.path
    var body = GatewayCallTests.chat()
    var fields: [(String, String)] = []
    var testDescription: String { what }
  }

  static func saying(_ text: String) -> String { GatewayCallTests.chat().replacing("Say hello", with: text) }

  static let attempts = [
    Attempt(what: "as it is", body: saying("my key is \(value), keep it")),
    Attempt(what: "in Base64", body: saying(Data("x-token:\(value)".utf8).base64EncodedString())),
    Attempt(what: "in hexadecimal", body: saying(value.utf8.map { String(format: "%02x", $0) }.joined())),
    Attempt(what: "in escapes of JSON", body: saying(value.utf16.map { String(format: "\\u%04x", $0) }.joined())),
    Attempt(what: "with one escape of JSON", body: saying("\\u0067" + value.dropFirst())),
    Attempt(what: "with escapes in its middle", body: saying(value.replacing("C7e4", with: "\\u0043\\u0037e4"))),
    Attempt(what: "with an escape, in JSON in a text", body: saying("{\\\"key\\\":\\\"\\\\u0067\(value.dropFirst())\\\"}")),
    Attempt(what: "as the name of a model", body: GatewayCallTests.chat(value)),
    Attempt(what: "beside the prompt", body: GatewayCallTests.chat("gpt-4o-mini", #","user":"\#(value)""#)),
    Attempt(what: "behind the body", body: GatewayCallTests.chat() + " \(value)"),
    Attempt(what: "in the query", path: "\(path)?a=\(value)"),
    Attempt(what: "in the query, a character by percents", path: "\(path)?a=%67\(value.dropFirst())"),
    Attempt(what: "in the query, twice by percents", path: "\(path)?a=\(value.dropLast())%2561"),
    Attempt(what: "in the path", path: "/pass/v1/\(value)/x"),
    Attempt(what: "in a field that passes", fields: [("user-agent", "agent/1 \(value)")]),
  ]

  @Test(arguments: attempts) func noSecretGoesToAModel(_ attempt: Attempt) async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      var secrets = GatewayWorld.Secrets()
      secrets.values["GITHUB_PAT"] = Self.value
      let through = LLMRoute(
        name: "pass", style: .passThrough, upstreams: [LLMUpstream(name: "u", url: upstream.url, style: .passThrough)])
      try await GatewayWorld.run([GatewayWorld.route([upstream.url]), through], secrets: secrets) { world in
        // Of whichever agent it is.
        try await world.show(alice: false, secrets: [GatewayWorld.secret("GITHUB_PAT", of: world.bob)])
        let answer = try await world.agent.post(attempt.path, attempt.body, attempt.fields)
        #expect(answer.status == 403)
        #expect(answer.body.contains("secret_leak"))
        #expect(!answer.body.contains(Self.value) && !answer.body.contains("GITHUB_PAT"))
        #expect(upstream.requests.isEmpty)
        let event = try #require(try await world.trail.calls(1).first)
        #expect(event.decision == .deny && event.reason == "secret_leak")
        #expect(event.details["secret"] == "GITHUB_PAT" && event.details["secretAgent"] == "other")
        #expect(!"\(event)".contains(Self.value))
        // The placeholder is no secret.
        let other = try await world.agent.post(Self.path, Self.saying("PLACEHOLDER"))
        #expect(other.status == 200)
      }
    }
  }

  /// The check costs a refusal where a guess is right, so that short values of others are not looked for.
  @Test func shortValuesOfOthersCannotBeGuessed() async throws {
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], GatewayCallTests.completion()) }) { upstream in
      var secrets = GatewayWorld.Secrets()
      secrets.values["PIN"] = "hunter2-4711"
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])], secrets: secrets) { world in
        try await world.show(alice: false, secrets: [GatewayWorld.secret("PIN", of: world.bob)])
        let guess = try await world.agent.post(Self.path, Self.saying("hunter2-4711")).status
        #expect(guess == 200)
        let own = try await world.other.post(Self.path, Self.saying("hunter2-4711")).status
        #expect(own == 403)
      }
    }
  }

  /// Where there is no such path, the trail is told of it all the same, and not of the value.
  @Test func noSecretReachesTheTrail() async throws {
    var secrets = GatewayWorld.Secrets()
    secrets.values["GITHUB_PAT"] = Self.value
    try await GatewayWorld.run([GatewayWorld.route(["http://127.0.0.1:1"])], secrets: secrets) { world in
      try await world.show(alice: false, secrets: [GatewayWorld.secret("GITHUB_PAT", of: world.bob)])
      for path in ["/\(Self.value)/v1/models", "/unified/v1/\(Self.value)"] {
        let status = try await world.agent.post(path, "{}").status
        #expect(status == 404)
      }
      let events = try await world.trail.calls(2)
      #expect(events.map { $0.request?.path } == ["[withheld]", "[withheld]"])
      #expect(!"\(events)".contains(Self.value))
    }
  }

  /// An upstream that says the credential again, in pieces, in fields and in other forms.
  @Test func noCredentialComesBack() async throws {
    let key = "\(GatewayWorld.key)-demo"
    try await TestUpstream.run({ request, answer in
      let text = request.field("authorization") ?? ""
      let fields = [("x-echo", text), ("x-fine", "yes"), (key, "name")]
      if request.body.contains(#""stream":true"#) {
        try await answer.beginStream(fields)
        for piece in "data: {\"choices\":[{\"delta\":{\"content\":\"\(text)\"}}]}\n\n".map({ String($0) }) { try await answer.send(piece) }
        try await answer.send(GatewayStreamTests.done)
        try await answer.end()
      } else {
        let both = text + " " + Data(text.utf8).base64EncodedString()
        try await answer.whole(.ok, fields, GatewayCallTests.completion().replacing("hello", with: both))
      }
    }) { upstream in
      try await GatewayWorld.run([GatewayWorld.route([upstream.url])]) { world in
        for body in [GatewayCallTests.chat(), GatewayStreamTests.chat()] {
          let answer = try await world.agent.post(Self.path, body)
          #expect(answer.status == 200 && answer.isWhole)
          // Of what comes byte by byte the first three do not wait for more.
          #expect(answer.body.contains(String(repeating: "*", count: key.utf8.count - 3)), "\(answer.body)")
          #expect(!answer.body.contains(Data(key.utf8).base64EncodedString().prefix(12)))
          #expect(!"\(answer)".contains(GatewayWorld.key))
          #expect(answer.fields.first(name: "x-fine") == "yes")
        }
        // Once it was used, it is a secret like any other.
        let leak = try await world.agent.post(Self.path, Self.saying(key))
        #expect(leak.status == 403 && leak.body.contains("secret_leak"))
      }
    }
  }
}
