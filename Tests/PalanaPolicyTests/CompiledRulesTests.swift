import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaPolicy

private func name(_ verdict: RulesVerdict) -> String {
  switch verdict {
  case .allow(let rule, _): "allow \(rule)"
  case .deny(let rule, _): "deny \(rule)"
  case .noMatch(let reason, let nearest, _): "\(reason.rawValue) \(nearest ?? "-")"
  }
}

@Suite struct CompiledRulesTests {
  private func rules() throws -> CompiledRules {
    try CompiledRules([
      RuleSource(
        name: "agent",
        rules: [
          EgressRule(id: "read", host: "api.github.com", methods: ["GET", "HEAD"], paths: ["/repos/**", "/user"]),
          EgressRule(id: "all", host: "open.test"),
          EgressRule(id: "high", host: "high.test", ports: [8443], schemes: ["https"]),
          EgressRule(id: "one", host: "*.one.test"),
          EgressRule(id: "any", host: "**.any.test", methods: ["GET"]),
          EgressRule(id: "public", host: "files.test", paths: ["/public/**"]),
          EgressRule(id: "ip", host: "10.1.2.3"),
          EgressRule(id: "files", host: "mixed.test", paths: ["/**"]),
        ]),
      RuleSource(
        name: "guard",
        rules: [
          EgressRule(id: "no-write", action: .deny, host: "open.test", methods: ["DELETE", "PUT"]),
          EgressRule(id: "closed", action: .deny, host: "closed.any.test"),
          EgressRule(id: "no-admin", action: .deny, host: "mixed.test", paths: ["/admin/**"]),
          EgressRule(id: "no-http", action: .deny, host: "**.any.test", schemes: ["http"]),
        ]),
    ])
  }

  @Test(arguments: [
    ("GET", "api.github.com", "/repos/a/b", "allow agent/read"),
    ("HEAD", "api.github.com", "/user", "allow agent/read"),
    ("GET", "api.github.com", "/orgs", "path_not_allowed agent/read"),
    ("POST", "api.github.com", "/repos/a", "method_not_allowed agent/read"),
    ("get", "api.github.com", "/user", "method_not_allowed agent/read"),
    ("GET", "api.github.com:8443", "/user", "port_not_allowed agent/read"),
    ("GET", "github.com", "/user", "host_not_allowed -"), ("GET", "xapi.github.com", "/", "host_not_allowed -"),
    ("GET", "open.test", "/x", "allow agent/all"), ("DELETE", "open.test", "/x", "deny guard/no-write"),
    // A server that ignores the case of methods must not be reached past a deny.
    ("delete", "open.test", "/x", "deny guard/no-write"), ("PATCH", "open.test", "/x", "allow agent/all"),
    ("GET", "high.test:8443", "/", "allow agent/high"), ("GET", "high.test", "/", "port_not_allowed agent/high"),
    ("GET", "a.one.test", "/", "allow agent/one"), ("GET", "a.b.one.test", "/", "host_not_allowed -"),
    ("GET", "one.test", "/", "host_not_allowed -"), ("GET", "a.b.any.test", "/", "allow agent/any"),
    ("POST", "a.any.test", "/", "method_not_allowed agent/any"), ("GET", "closed.any.test", "/", "deny guard/closed"),
    ("GET", "10.1.2.3", "/", "allow agent/ip"), ("GET", "10.1.2.4", "/", "host_not_allowed -"),
    ("GET", "files.test", "/public/a", "allow agent/public"), ("GET", "files.test", "/public//a", "allow agent/public"),
    ("GET", "files.test", "/public/a;v=1", "allow agent/public"),
    ("GET", "files.test", "/public", "path_not_allowed agent/public"),
    ("GET", "files.test", "/public%2Fa", "path_not_allowed agent/public"),
    ("GET", "files.test", "//public/a", "path_not_allowed agent/public"),
    ("GET", "files.test", "/public;/../a", "path_not_allowed agent/public"),
    ("GET", "mixed.test", "/", "allow agent/files"), ("GET", "mixed.test", "/admin/x", "deny guard/no-admin"),
    ("GET", "mixed.test", "//admin/x", "deny guard/no-admin"),
    ("GET", "mixed.test", "/admin//x", "deny guard/no-admin"),
    ("GET", "mixed.test", "/admin;v=1/x", "deny guard/no-admin"),
    ("GET", "mixed.test", "/admin%2Fx", "deny guard/no-admin"),
    ("OPTIONS", "mixed.test", "*", "deny guard/no-admin"), ("OPTIONS", "open.test", "*", "allow agent/all"),
    ("OPTIONS", "files.test", "*", "path_not_allowed agent/public"),
  ])
  func requests(method: String, authority: String, path: String, expected: String) throws {
    #expect(name(try rules().evaluate(request(method, authority, path))) == expected)
  }

  @Test(arguments: [
    ("api.github.com", EgressRequest.Scheme.https, "allow agent/read"), ("open.test", .https, "allow agent/all"),
    ("closed.any.test", .https, "deny guard/closed"), ("a.any.test", .https, "allow agent/any"),
    ("a.any.test", .http, "deny guard/no-http"),
    ("mixed.test", .https, "allow agent/files"), ("evil.test", .https, "host_not_allowed -"),
    ("high.test:22", .https, "port_not_allowed agent/high"),
    ("high.test:8443", .http, "scheme_not_allowed agent/high"),
  ])
  func authorities(authority: String, scheme: EgressRequest.Scheme, expected: String) throws {
    #expect(name(try rules().evaluate(request(nil, authority, scheme: scheme))) == expected)
  }

  @Test func aRequestWithoutItsPartsIsNeverAllowedByARuleThatAsksForThem() throws {
    var broken = try request("GET", "api.github.com", "/user")
    broken.path = nil
    #expect(name(try rules().evaluate(broken)) == "path_not_allowed agent/read")
    broken.method = nil
    #expect(name(try rules().evaluate(broken)) == "method_not_allowed agent/read")
    var deleting = try request("GET", "open.test")
    deleting.method = nil
    #expect(name(try rules().evaluate(deleting)) == "deny guard/no-write")
  }

  @Test func nothingIsAllowedWithoutRules() throws {
    #expect(name(try CompiledRules([]).evaluate(request("GET", "a.test"))) == "host_not_allowed -")
    #expect(name(CompiledRules.none.evaluate(try request("GET", "a.test"))) == "host_not_allowed -")
  }

  @Test func explanationsNameTheRule() throws {
    guard case .noMatch(_, _, let text) = try rules().evaluate(request("POST", "api.github.com", "/user")) else {
      Issue.record("allowed")
      return
    }
    #expect(text == "the rule agent/read allows api.github.com:443 with GET, HEAD only")
  }

  @Test(arguments: [
    (EgressRule(host: "*"), "agent: rules[1].host: "), (EgressRule(host: "*.com"), "agent: rules[1].host: "),
    (EgressRule(host: "a.test", ports: [0]), "agent: rules[1].ports: "),
    (EgressRule(host: "a.test", ports: [65_536]), "agent: rules[1].ports: "),
    (EgressRule(host: "a.test", ports: [-1]), "agent: rules[1].ports: "),
    (EgressRule(host: "a.test", methods: ["G T"]), "agent: rules[1].methods: "),
    (EgressRule(host: "a.test", paths: ["x"]), "agent: rules[1].paths: "),
    (EgressRule(host: "a.test", schemes: ["ftp"]), "agent: rules[1].schemes: "),
    (EgressRule(id: "", host: "a.test"), "agent: rules[1].id: "),
    (EgressRule(id: "a/b", host: "a.test"), "agent: rules[1].id: "),
    (EgressRule(id: "first", host: "a.test"), "agent: rules[1].id: "),
    (EgressRule(host: "a.test", paths: Array(repeating: "/", count: 257)), "agent: rules[1].paths: "),
  ])
  func errorsNameSourceIndexAndField(rule: EgressRule, start: String) {
    let error = #expect(throws: PalanaError.self) {
      try CompiledRules([RuleSource(name: "agent", rules: [EgressRule(id: "first", host: "ok.test"), rule])])
    }
    #expect(error?.code == .invalid)
    #expect(error?.message.hasPrefix(start) == true, "\(error?.message ?? "")")
  }

  @Test func validationIsTheCompilersOwn() {
    #expect(throws: Never.self) { try CompiledRules.validate(EgressRule(host: "a.test"), place: "spec.rules[0]") }
    let error = #expect(throws: PalanaError.self) {
      try CompiledRules.validate(EgressRule(host: "*"), place: "spec.rules[0]")
    }
    #expect(error?.message.hasPrefix("spec.rules[0].host: ") == true)
  }

  @Test func versionsFollowTheContent() throws {
    func version(_ rules: [EgressRule], _ source: String = "agent") throws -> String {
      try CompiledRules([RuleSource(name: source, rules: rules)]).version
    }
    let one = EgressRule(id: "a", host: "a.test", methods: ["GET"])
    #expect(try version([one]) == version([one]))
    var others = [one, one, one, one, one, one]
    others[0].host = "b.test"
    others[1].methods = ["POST"]
    others[2].action = .deny
    others[3].paths = ["/GET"]
    others[4].ports = [1]
    others[5].schemes = ["http"]
    var versions = Set(try others.map { try version([$0]) })
    versions.insert(try version([one]))
    versions.insert(try version([one], "other"))
    versions.insert(try version([]))
    versions.insert(try version([EgressRule(id: "a", host: "a.test", paths: ["/GET"])]))
    #expect(versions.count == 10)
  }
}
