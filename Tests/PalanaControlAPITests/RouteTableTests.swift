import PalanaControlAPI
import Testing

@Suite struct RouteTableTests {
  @Test func everyOperationHasExactlyOneRoute() {
    #expect(Route.all.map(\.operation).count == Operation.allCases.count)
    #expect(Set(Route.all.map(\.operation)) == Set(Operation.allCases))
    for operation in Operation.allCases { #expect(!operation.route.path.hasPrefix("/missing")) }
  }

  @Test func noTwoRoutesShareMethodAndPath() {
    let keys = Route.all.map { "\($0.verb.rawValue) \($0.path)" }
    #expect(Set(keys).count == keys.count)
  }

  @Test func everyChangeAndEveryAgentPathNeedsACaller() {
    for route in Route.all where route.access == .anyone { #expect(route.verb == .get && route.pathParameters.isEmpty) }
  }

  @Test(arguments: [
    (["name": "demo"], "/v1/agents/demo/run"), (["name": "a/../b"], "/v1/agents/a%2F..%2Fb/run"),
    (["name": ".."], "/v1/agents/%2E%2E/run"), (["name": "ü?#%"], "/v1/agents/%C3%BC%3F%23%25/run"),
    ([:], "/v1/agents/{name}/run"),
  ])
  func pathsAreFilledInAsSingleSegments(parameters: [String: String], path: String) {
    #expect(Operation.runAgent.route.path(parameters) == path)
  }

  @Test func queriesAreEncoded() {
    #expect(PercentEncoding.query([("owner", "a b@c&d"), ("x", "=")]) == "?owner=a%20b%40c%26d&x=%3D")
    #expect(PercentEncoding.query([]).isEmpty)
  }

  @Test(
    arguments: [
      ("a%20b", "a b"), ("%2Fx%2f", "/x/"), ("%C3%BC+", "ü+"), ("", ""), ("%", nil), ("%4", nil), ("%zz", nil), ("%+1", nil),
      ("%ff", nil),
    ] as [(String, String?)])
  func whatIsDecoded(text: String, expected: String?) {
    #expect(PercentEncoding.decode(text) == expected)
    if let expected { #expect(PercentEncoding.decode(PercentEncoding.encode(expected)) == expected) }
  }
}
