import FoundationEssentials
import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore
import Synchronization
import Testing

@Suite struct SecretTests {
  private static let demo = ["name": "demo"]
  private static let canary = "canary-7f3a9e21"

  @Test func aSecretIsStoredNamedAndNeverShown() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let added = try await world.call(
        .addSecret, as: .alice, Self.demo, body: #"{"name":"GITHUB_PAT","values":{"token":"\#(Self.canary)"}}"#)
      #expect(added.status == 201, "\(added.text)")
      let summary = try added.decoded(SecretSummary.self)
      #expect(summary.access == .proxyOnly && summary.revision == 1)
      #expect(summary.keys == [SecretKey(key: "token", placeholder: "TOKEN_GITHUB_PAT", variable: "GITHUB_PAT")])
      #expect(summary.hosts.contains("api.github.com"))
      #expect(
        world.secrets.values.withLock { $0["alice/demo/GITHUB_PAT"]?["token"]?.reveal() } == Self.canary)
      let rotated = try await world.call(
        .rotateSecret, as: .alice, ["name": "demo", "secret": "GITHUB_PAT"],
        body: #"{"values":{"token":"\#(Self.canary)-new"}}"#
      ).decoded(SecretSummary.self)
      #expect(rotated.revision == 2)
      #expect(
        world.secrets.values.withLock { $0["alice/demo/GITHUB_PAT"]?["token"]?.reveal() } == Self.canary + "-new")
      let bound = try await world.call(
        .bindSecret, as: .alice, ["name": "demo", "secret": "GITHUB_PAT"],
        body: #"{"hosts":["git.example:8443"],"places":["basic"]}"#
      ).decoded(SecretSummary.self)
      #expect(bound.hosts == ["git.example:8443"] && bound.places == ["basic"] && bound.revision == 2)
      let list = try await world.call(.listSecrets, as: .alice, Self.demo)
      #expect(try list.decoded(SecretList.self).items == [bound])
      let removed = try await world.call(.removeSecret, as: .alice, ["name": "demo", "secret": "GITHUB_PAT"])
      #expect(removed.status == 200)
      #expect(world.secrets.values.withLock { $0.isEmpty })
      #expect(
        try await world.call(.listSecretBindings, as: .alice).decoded(ResourceList<SecretBindingSpec>.self).items
          .isEmpty)
      #expect(world.events.filter { $0.component == .secrets }.map(\.action) == ["add", "rotate", "bind", "remove"])
      // The value is in no answer, no event, and in no file that this process wrote.
      try await world.waitForAudit(.init(component: .secrets))
      #expect(!list.text.contains(Self.canary) && !added.text.contains(Self.canary))
      #expect(!"\(world.events)".contains(Self.canary))
      #expect(try Self.filesHolding(Self.canary, below: world.folder).isEmpty)
    }
  }

  /// Files below a folder whose bytes hold `text`.
  private static func filesHolding(_ text: String, below folder: String) throws -> [String] {
    var found: [String] = []
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)") else { continue }
      if Array(data).firstRange(of: Array(text.utf8)) != nil { found.append(name) }
    }
    return found
  }

  @Test(arguments: [
    #"{"name":"9X","values":{"token":"CANARY"}}"#, #"{"name":"X","values":{}}"#,
    #"{"name":"X","values":{"token":""}}"#, #"{"name":"X","values":{"token":["CANARY"]}}"#,
    #"{"name":"X","values":{"token":"CANARY"},"hosts":["*"]}"#, #"{"name":"X","values":{"token":"CANARY\n"}}"#,
    #"{"name":"X","values":{"token":"CANARY"},"places":["everywhere"]}"#,
    #"{"name":"X","values":{"token":"CANARY"},"tokenHosts":["*"]}"#,
    #"{"name":"X","values":{"token":"CANARY"},"access":"agent-readable","tokenHosts":["api.example.com"]}"#,
    #"{"name":"X","values":"CANARY"}"#, #"{"name":"X","value":"CANARY","values":{"a":"CANARY"}}"#,
    #"{"name":"X","values":{"token":"CANARY"}"#, #"{"name":"X","access":"CANARY","values":{"token":"CANARY"}}"#,
    #"{"name":"X","values":{"token":"CANARY"},"placeholder":"a b"}"#,
    #"{"name":"X","access":"agent-readable","values":{"token":"CANARY"},"hosts":["a.example"]}"#,
    #"{"name":"X","values":{"token":"CANARY"},"placeholder":"shape:nothing"}"#,
    #"{"name":"X","values":{"token":"CANARY"},"places":["aws-sigv4"]}"#,
    #"{"name":"X","values":{"token":"CANARY"},"aws":{"region":"r","service":"s"}}"#,
    #"{"name":"X","values":{"token":"CANARY"},"places":["path"],"require":true}"#,
    #"{"name":"X","values":{"token":"CANARY/x"},"places":["path"]}"#, #"{"name":"X","values":{"token":".."},"places":["path"]}"#,
  ])
  func refusalsNeverQuoteTheBody(body: String) async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let answer = try await world.call(.addSecret, as: .alice, Self.demo, body: body)
      #expect(answer.status == 400 && answer.code == "invalid", "\(answer.text)")
      #expect(!answer.text.contains("CANARY"), "\(answer.text)")
      #expect(!"\(world.events)".contains("CANARY"))
      #expect(world.secrets.values.withLock { $0.isEmpty })
    }
  }

  @Test func whereTokensGoIsKept() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let added = try await world.call(
        .addSecret, as: .alice, Self.demo,
        body: #"{"name":"OAUTH","values":{"token":"a-value"},"hosts":["oauth.example.com"],"tokenHosts":["api.example.com"]}"#
      ).decoded(SecretSummary.self)
      #expect(added.tokenHosts == ["api.example.com"])
      let parameters = ["name": "demo", "secret": "OAUTH"]
      let bound = try await world.call(.bindSecret, as: .alice, parameters, body: #"{"tokenHosts":["api.example.com:8443"]}"#)
        .decoded(SecretSummary.self)
      #expect(bound.tokenHosts == ["api.example.com:8443"] && bound.hosts == added.hosts)
      #expect(world.events.contains { $0.details["tokenHosts"] == "api.example.com:8443" })
      let other = try await world.call(.bindSecret, as: .alice, parameters, body: #"{"places":["basic"]}"#).decoded(SecretSummary.self)
      #expect(other.tokenHosts == bound.tokenHosts)
      #expect(try await world.call(.bindSecret, as: .alice, parameters, body: #"{"tokenHosts":["*"]}"#).status == 400)
    }
  }

  @Test func shapesRequirementsAndScopesAreKept() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let aws = try await world.call(
        .addSecret, as: .alice, Self.demo,
        body: """
          {"name":"AWS","values":{"access_key_id":"a","secret_access_key":"b"},"hosts":["*.s3.example.com"],"places":["aws-sigv4"],
           "aws":{"region":"eu-west-1","service":"s3"},"placeholder":"shape:aws-access-key","require":true}
          """
      ).decoded(SecretSummary.self)
      #expect(aws.aws == AWSScope(region: "eu-west-1", service: "s3") && aws.require == true)
      #expect(aws.keys.first?.placeholder?.hasPrefix("AKIA") == true)
      #expect(aws.keys.last?.placeholder == "TOKEN_AWS_SECRET_ACCESS_KEY")
      let parameters = ["name": "demo", "secret": "AWS"]
      let other = try await world.call(.bindSecret, as: .alice, parameters, body: #"{"places":["basic"],"require":false}"#)
        .decoded(SecretSummary.self)
      #expect(other.aws == nil && other.require == false && other.places == ["basic"])
      #expect(other.keys == aws.keys)
      #expect(try await world.call(.bindSecret, as: .alice, parameters, body: #"{"places":["aws-sigv4"]}"#).status == 400)
      #expect(try await world.call(.bindSecret, as: .alice, parameters, body: "{}").status == 400)
    }
  }

  @Test func namesAreTakenOnceAndRotationKnowsItsKeys() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let body = #"{"name":"KEY","values":{"user":"a","password":"b"}}"#
      #expect(try await world.call(.addSecret, as: .alice, Self.demo, body: body).status == 201)
      #expect(try await world.call(.addSecret, as: .alice, Self.demo, body: body).status == 409)
      let parameters = ["name": "demo", "secret": "KEY"]
      let unknown = try await world.call(
        .rotateSecret, as: .alice, parameters, body: #"{"values":{"pin":"x"}}"#)
      #expect(unknown.status == 400 && unknown.text.contains("password"))
      let one = try await world.call(.rotateSecret, as: .alice, parameters, body: #"{"values":{"user":"c"}}"#)
      #expect(one.status == 200)
      #expect(world.secrets.values.withLock { $0["alice/demo/KEY"]?["password"]?.reveal() } == "b")
      let none = try await world.call(
        .rotateSecret, as: .alice, ["name": "demo", "secret": "NONE"], body: #"{"values":{"user":"c"}}"#)
      #expect(none.status == 404)
    }
  }

  @Test func theGatewayHearsOfEveryChangeInTheRightOrder() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let parameters = ["name": "demo", "secret": "KEY"]
      try await world.call(
        .addSecret, as: .alice, Self.demo, body: #"{"name":"KEY","values":{"token":"a"},"hosts":["x.example"]}"#)
      try await world.call(.rotateSecret, as: .alice, parameters, body: #"{"values":{"token":"b"}}"#)
      try await world.call(.bindSecret, as: .alice, parameters, body: #"{"hosts":["y.example"]}"#)
      try await world.call(.removeSecret, as: .alice, parameters)
      let id = AgentID(owner: try UserIdentity("alice"), name: try ResourceName("demo"))
      // The new value is there before the gateway asks for it; what is forgotten last cannot be fetched again.
      #expect(
        world.gateway.calls.withLock { $0 } == [
          .refresh(stored: ["alice/demo/KEY=a"]), .refresh(stored: ["alice/demo/KEY=b"]), .forget(id, stored: ["alice/demo/KEY=b"]),
          .refresh(stored: ["alice/demo/KEY=b"]), .refresh(stored: ["alice/demo/KEY=b"]), .forget(id, stored: []),
        ])
      // A gateway that does not hear of a removal: the person is told, and the value goes all the same.
      try await world.call(.addSecret, as: .alice, Self.demo, body: #"{"name":"KEY","values":{"token":"c"}}"#)
      world.gateway.isDown.withLock { $0 = true }
      #expect(try await world.call(.removeSecret, as: .alice, parameters).status == 500)
      #expect(world.secrets.values.withLock { $0.isEmpty })
      #expect(world.gateway.calls.withLock { $0.last } == .forget(id, stored: []))
    }
  }

  @Test func aStoreThatIsDownLeavesNothingBehind() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      world.secrets.isDown.withLock { $0 = true }
      let body = #"{"name":"KEY","values":{"token":"v"}}"#
      #expect(try await world.call(.addSecret, as: .alice, Self.demo, body: body).status == 503)
      #expect(try await world.call(.listSecrets, as: .alice, Self.demo).decoded(SecretList.self).items.isEmpty)
      world.secrets.isDown.withLock { $0 = false }
      // Values without a binding, as an interrupted removal leaves them, are replaced.
      try await world.secrets.add(
        owner: try UserIdentity("alice"), agent: try ResourceName("demo"), secret: "KEY", access: .proxyOnly,
        type: nil, values: ["old": Redacted("x")])
      #expect(try await world.call(.addSecret, as: .alice, Self.demo, body: body).status == 201)
      #expect(world.secrets.values.withLock { $0["alice/demo/KEY"]?.keys.sorted() } == ["token"])
    }
  }

  @Test func namesThatSanitiseAlikeStayApart() async throws {
    try await ControlWorld.run { world in
      for (agent, secret) in [("a", "B_C"), ("a-b", "C"), ("a", "b_c")] {
        if secret != "b_c" { try await world.makeAgent(agent, of: .alice) }
        let answer = try await world.call(
          .addSecret, as: .alice, ["name": agent],
          body: #"{"name":"\#(secret)","access":"agent-readable","values":{"token":"v"}}"#)
        #expect(answer.status == 201, "\(answer.text)")
      }
      let all = try await world.call(.listSecretBindings, as: .alice).decoded(ResourceList<SecretBindingSpec>.self)
      #expect(all.items.count == 3)
    }
  }
}
