import Foundation
import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaSecrets

@Suite struct PlaceholderShapeTests {
  /// What programs check for, as a regular expression.
  static let shapes: [(PlaceholderShape, String)] = [
    (.slackBot, "^xoxb-[0-9]{12}-[0-9]{13}-[A-Za-z0-9]{24}$"),
    (.slackUser, "^xoxp-[0-9]{12}-[0-9]{12}-[0-9]{13}-[A-Za-z0-9]{32}$"),
    (.slackApp, "^xapp-1-A[A-Z0-9]{10}-[0-9]{13}-[0-9a-f]{64}$"),
    (.githubPAT, "^ghp_[A-Za-z0-9]{36}$"),
    (.githubFineGrained, "^github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}$"),
    (.gitlab, "^glpat-[A-Za-z0-9_-]{20}$"),
    (.openai, "^sk-proj-[A-Za-z0-9]{48}$"),
    (.anthropic, "^sk-ant-api03-[A-Za-z0-9_-]{93}AA$"),
    (.stripe, "^sk_live_[A-Za-z0-9]{24}$"),
    (.awsAccessKey, "^AKIA[A-Z2-7]{16}$"),
    (.jwt, #"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$"#),
    (.hex, "^[0-9a-f]{40}$"),
    (.uuid, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"),
  ]

  @Test(arguments: shapes)
  func madeInTheShapeAndAcceptedAsAPlaceholder(shape: PlaceholderShape, pattern: String) throws {
    var seen: Set<String> = []
    for _ in 0..<200 {
      let text = shape.make(besides: seen)
      #expect(text.range(of: pattern, options: .regularExpression) != nil, "\(text)")
      #expect(thrown { try PlaceholderRules.check(text) } == nil, "\(text)")
      #expect(seen.insert(text).inserted)
      // The scanner finds it, alone and in the middle.
      let scanner = PlaceholderScanner([text])
      #expect(scanner.firstMatch(in: "Bearer \(text)")?.placeholder == 0)
      #expect(scanner.firstMatch(in: "Bearer \(text.dropLast())") == nil)
    }
  }

  @Test func everyShapeIsTested() { #expect(Set(Self.shapes.map(\.0)) == Set(PlaceholderShape.allCases)) }

  @Test func aJWTParses() throws {
    let parts = PlaceholderShape.jwt.make(besides: []).split(separator: ".")
    func decoded(_ part: Substring) throws -> [String: Any] {
      var text = part.replacing("-", with: "+").replacing("_", with: "/")
      while text.count % 4 != 0 { text += "=" }
      let data = try #require(Data(base64Encoded: String(text)))
      return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
    #expect(try decoded(parts[0])["alg"] as? String == "HS256")
    #expect(try decoded(parts[1])["exp"] as? Int == 4_102_444_800)
    #expect(parts.count == 3)
  }

  @Test func aShapeReplacesTheStandardPlaceholder() throws {
    let one = try PlaceholderNaming.keys(
      ofSecret: "GITHUB_PAT", keys: ["token"], access: .proxyOnly, custom: "shape:github-pat")
    #expect(one.first?.placeholder?.hasPrefix("ghp_") == true)
    #expect(one.first?.variable == "GITHUB_PAT")
    // Each key one of its own.
    let two = try PlaceholderNaming.keys(
      ofSecret: "PAIR", keys: ["a", "b"], access: .proxyOnly, custom: "shape:stripe")
    #expect(Set(two.compactMap(\.placeholder)).count == 2)
    let aws = try PlaceholderNaming.keys(
      ofSecret: "AWS", keys: ["access_key_id", "secret_access_key"], access: .proxyOnly, custom: "shape:aws-access-key")
    #expect(aws.first?.placeholder?.hasPrefix("AKIA") == true)
    #expect(aws.last?.placeholder == "TOKEN_AWS_SECRET_ACCESS_KEY")
    #expect(aws.map(\.variable) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
  }

  @Test func anUnknownShapeIsRefusedByName() {
    let error = thrown {
      _ = try PlaceholderNaming.keys(ofSecret: "A", keys: ["token"], access: .proxyOnly, custom: "shape:telegram")
    }
    #expect(error?.code == .invalid)
    #expect(error?.hint.contains("slack-bot") == true)
  }

  @Test(arguments: ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "9e107d9d372bb6826bd81d3542a419d6"])
  func longNumbersAreNoPlainText(text: String) { #expect(thrown { try PlaceholderRules.check(text) } == nil) }
}

/// What a binding says of requiring and of signing.
@Suite struct BindingExtrasTests {
  private static let awsKeys = [
    SecretKey(key: "access_key_id", placeholder: "TOKEN_AWS_ACCESS_KEY_ID"),
    SecretKey(key: "secret_access_key", placeholder: "TOKEN_AWS_SECRET_ACCESS_KEY"),
  ]
  private static let token = SecretKey(key: "session_token", placeholder: "TOKEN_AWS_SESSION_TOKEN")

  private func spec(
    _ keys: [SecretKey] = awsKeys, places: [String] = ["aws-sigv4"], aws: AWSScope? = AWSScope(region: "eu-west-1", service: "s3"),
    require: Bool? = nil
  ) throws -> SecretBindingSpec {
    var spec = try Names.spec(secret: "AWS", keys: keys, places: places)
    spec.aws = aws
    spec.require = require
    return spec
  }

  @Test func anAccessKeyKnowsTheRestOfItsCredential() throws {
    let bindings = try PlaceholderBinding.bindings(from: spec(Self.awsKeys + [Self.token], require: true))
    #expect(bindings.map(\.places) == [[.awsSigV4], [], [.header("x-amz-security-token")]])
    #expect(bindings[0].signing?.region == "eu-west-1")
    #expect(bindings[0].signing?.service == "s3")
    #expect(bindings[0].signing?.secretKey == bindings[1].ref)
    #expect(bindings[0].signing?.sessionToken == bindings[2].ref)
    #expect(bindings[0].isRequired)
    #expect(try PlaceholderBinding.bindings(from: spec())[0].signing?.sessionToken == nil)
    #expect(bindings[1].signing == nil)
  }

  @Test func signingIsSaidWhollyOrNotAtAll() throws {
    let wrong: [SecretBindingSpec] = [
      try spec(aws: nil), try spec(aws: AWSScope(region: "EU", service: "s3")), try spec(aws: AWSScope(region: "eu", service: "")),
      try spec(places: ["aws-sigv4", "basic"]), try spec(places: ["basic"]), try spec([Self.awsKeys[0]]),
      try spec(Self.awsKeys + [SecretKey(key: "other", placeholder: "TOKEN_AWS_OTHER")]),
    ]
    for spec in wrong { #expect(thrown { _ = try PlaceholderBinding.bindings(from: spec) }?.code == .invalid) }
  }

  @Test func requiringNeedsAPlaceWhereCredentialsAreRecognised() throws {
    for places in [["path"], ["body"], ["websocket"], ["path", "body"]] {
      let spec = try spec([SecretKey(key: "token", placeholder: "TOKEN_AWS")], places: places, aws: nil, require: true)
      #expect(thrown { _ = try PlaceholderBinding.bindings(from: spec) }?.message.hasPrefix("spec.require") == true)
    }
    let fine = try spec([SecretKey(key: "token", placeholder: "TOKEN_AWS")], places: ["body", "query:k"], aws: nil, require: true)
    #expect(try PlaceholderBinding.bindings(from: fine).first?.isRequired == true)
  }
}
