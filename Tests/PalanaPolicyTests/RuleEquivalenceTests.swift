import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaPolicy

/// The meaning of a list of rules without an index and without remembered work.
private struct NaiveRules {
  let rules: [CompiledRule]

  func evaluate(_ request: EgressRequest) -> String {
    let covering = rules.filter { $0.host.matches(request.authority.host) }
    func reaches(_ rule: CompiledRule) -> MatchStep? {
      if !rule.ports.contains(request.authority.port) { return .port }
      if !rule.schemes.contains(request.scheme) { return .scheme }
      if request.stage == .authority { return nil }
      if !rule.methods.contains(request.method ?? "") { return .method }
      let path = request.path ?? ""
      if !rule.allowsPath(path, lenient: CanonicalPath.lenientReading(of: path)) { return .path }
      return nil
    }
    let denied = covering.first { rule in
      guard rule.denies, rule.ports.contains(request.authority.port), rule.schemes.contains(request.scheme) else {
        return false
      }
      if request.stage == .authority { return rule.methods.isAny && rule.paths.isEmpty }
      let path = request.path ?? ""
      return rule.methods.containsIgnoringCase(request.method ?? "")
        && rule.deniesPath(path, lenient: CanonicalPath.lenientReading(of: path))
    }
    if let denied { return "deny \(denied.name)" }
    let allows = covering.filter { !$0.denies }
    if let allowed = allows.first(where: { reaches($0) == nil }) { return "allow \(allowed.name)" }
    let furthest = allows.compactMap(reaches).max()
    return (furthest ?? .host).reason.rawValue
  }
}

@Suite struct RuleEquivalenceTests {
  @Test func theIndexChangesNothing() throws {
    var random = SeededGenerator(5)
    let hosts = [
      "a.test", "b.test", "x.a.test", "y.x.a.test", "*.a.test", "**.a.test", "*.x.a.test", "**.b.test", "10.0.0.1",
      "::1", "aa.test", "*.aa.test",
      "z.test", "**.z.y.x.a.test",
    ]
    let asked = [
      "a.test", "x.a.test", "y.x.a.test", "z.y.x.a.test", "b.test", "c.b.test", "aa.test", "q.aa.test", "test",
      "10.0.0.1", "::1", "z.test",
    ]
    let paths = ["/", "/a", "/a/b", "/a//b", "//a", "/a;x/b", "/b%2Fc", "*"]
    var seen: Set<String> = []
    for round in 0..<1500 {
      let rules = (0..<Int.random(in: 0...12, using: &random)).map { _ in
        EgressRule(
          action: Int.random(in: 0..<4, using: &random) == 0 ? .deny : .allow,
          host: hosts.randomElement(using: &random) ?? "a.test",
          ports: [nil, [443], [80, 8080]].randomElement(using: &random) ?? nil,
          methods: [nil, ["GET"], ["POST", "PUT"]].randomElement(using: &random) ?? nil,
          paths: [nil, ["/a/**"], ["/a", "/*/b"], ["/a;x/*"]].randomElement(using: &random) ?? nil,
          schemes: [nil, ["https"], ["http"]].randomElement(using: &random) ?? nil)
      }
      let compiled = try CompiledRules([RuleSource(name: "s\(round)", rules: rules)])
      let naive = NaiveRules(rules: compiled.rules)
      for _ in 0..<30 {
        let method = ["GET", "POST", "get", nil].randomElement(using: &random) ?? nil
        let host = asked.randomElement(using: &random) ?? "a.test"
        let port = [443, 80, 8080, 22].randomElement(using: &random) ?? 443
        let authority = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        let question = try request(
          method, authority, paths.randomElement(using: &random), scheme: Bool.random(using: &random) ? .https : .http)
        let answer: String
        switch compiled.evaluate(question) {
        case .allow(let rule, _): answer = "allow \(rule)"
        case .deny(let rule, _): answer = "deny \(rule)"
        case .noMatch(let reason, _, _): answer = reason.rawValue
        }
        #expect(answer == naive.evaluate(question))
        seen.insert(String(answer.split(separator: " ").first ?? ""))
      }
    }
    #expect(seen.count == 7, "every kind of answer came up: \(seen.sorted())")
  }

  /// One table holds names of very many rules; each is found and its neighbours are not.
  @Test func manyRules() throws {
    let rules = (0..<9000).map { number in
      EgressRule(
        id: "r\(number)",
        host: number % 3 == 0 ? "h\(number).test" : number % 3 == 1 ? "*.h\(number).test" : "**.h\(number).test")
    }
    let compiled = try CompiledRules([RuleSource(name: "s", rules: rules)])
    for number in stride(from: 0, to: 9000, by: 7) {
      let host = number % 3 == 0 ? "h\(number).test" : number % 3 == 1 ? "a.h\(number).test" : "a.b.h\(number).test"
      guard case .allow("s/r\(number)", _) = compiled.evaluate(try request("GET", host)) else {
        Issue.record("\(host) is not found")
        continue
      }
      guard case .noMatch(.hostNotAllowed, _, _) = compiled.evaluate(try request("GET", "x" + host.dropFirst(1))) else {
        if number % 3 == 2 || number % 3 == 1 { continue }  // another first label is still covered
        Issue.record("\(host)'s neighbour is found")
        continue
      }
    }
    #expect(throws: PalanaError.self) {
      try CompiledRules([RuleSource(name: "a", rules: Array(repeating: EgressRule(host: "a.test"), count: 10_001))])
    }
  }
}
