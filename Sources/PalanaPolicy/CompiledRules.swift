import Crypto
package import PalanaAPI
package import PalanaCore

/// All native rules that apply to one agent, compiled: immutable, safe to share, about a microsecond for each question.
package final class CompiledRules: Sendable {
  /// Identifies the content: equal rules in equal order have equal versions.
  package let version: String
  /// How many rules there are.
  package var count: Int { rules.count }
  /// The most rules that one agent may have from all sources together.
  package static let mostRules = 10_000

  let rules: [CompiledRule]
  private let index: HostIndex

  /// No rule: nothing is allowed.
  package static let none = CompiledRules()

  private init() {
    rules = []
    index = HostIndex([])
    version = Self.version(of: [])
  }

  /// Compiles every source; one wrong rule refuses them all, because a rule that is left out could be a deny.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`; the message names source, index and field (`agent: rules[2].host:
  /// …`).
  package init(_ sources: [RuleSource]) throws(PalanaError) {
    var rules: [CompiledRule] = []
    for source in sources {
      var seen: Set<String> = []
      for (number, rule) in source.rules.enumerated() {
        let place = "\(source.name): rules[\(number)]"
        let id = rule.id ?? "#\(number)"
        try Self.checkIdentifier(rule.id, place: place)
        guard seen.insert(id).inserted else {
          throw PalanaError(.invalid, "\(place).id: ‘\(id)’ is used twice", hint: "an id is unique within its list")
        }
        guard rules.count < Self.mostRules else {
          throw PalanaError(.invalid, "\(place): an agent may have at most \(Self.mostRules) rules")
        }
        rules.append(try CompiledRule(rule, name: "\(source.name)/\(id)", place: place))
      }
    }
    self.rules = rules
    index = HostIndex(rules.map(\.host))
    version = Self.version(of: sources)
  }

  /// Checks one written rule, when a resource is written.
  ///
  /// - Parameter place: what stands in front of the field in the message, for example `spec.rules[2]`.
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func validate(_ rule: EgressRule, place: String) throws(PalanaError) {
    try checkIdentifier(rule.id, place: place)
    _ = try CompiledRule(rule, name: "", place: place)
  }

  private static func checkIdentifier(_ id: String?, place: String) throws(PalanaError) {
    guard let id else { return }
    let good = id.utf8.allSatisfy { byte in
      switch byte {
      case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
      default: false
      }
    }
    guard good, (1...64).contains(id.utf8.count) else {
      throw PalanaError(
        .invalid, "\(place).id: an id has 1 to 64 letters, digits, dots, dashes and underscores")
    }
  }

  /// The answer for one request. Pure, without suspension or allocation when a rule decides.
  ///
  /// A matching deny wins over every allow. At the authority stage a rule with methods or paths allows (a request that
  /// fits may follow, and each is judged again) but does not deny.
  package func evaluate(_ request: EgressRequest) -> RulesVerdict {
    var judge = RuleJudge(request)
    index.forEachList(for: request.authority.host) { list in
      for number in list { judge.consider(rules[number], number) }
    }
    if let denied = judge.denied { return .deny(rule: rules[denied].name, explanation: rules[denied].explanation) }
    if let allowed = judge.allowed {
      return .allow(rule: rules[allowed].name, explanation: rules[allowed].explanation)
    }
    let nearest = judge.nearest.map { rules[$0] }
    return .noMatch(
      judge.furthest.reason, nearest: nearest?.name,
      explanation: judge.furthest.explain(request, nearest: nearest))
  }

  /// The first `most` ways to `host` that rules allow; a deny rule may still stand in the way of each.
  func endpoints(of host: CanonicalHost, most: Int) -> [Endpoint] {
    var endpoints: [Endpoint] = []
    index.forEachList(for: host) { list in
      for number in list where !rules[number].denies {
        for port in rules[number].ports {
          for scheme in rules[number].schemes.reversed() where endpoints.count < most {
            let endpoint = Endpoint(port: port, scheme: scheme)
            if !endpoints.contains(endpoint) { endpoints.append(endpoint) }
          }
        }
        if endpoints.count >= most { return }
      }
    }
    return endpoints
  }

  private static func version(of sources: [RuleSource]) -> String {
    var hash = SHA256()
    // Every text is preceded by its length, so that no two lists of rules have the same bytes.
    func add(_ text: String) {
      hash.update(data: Array("\(text.utf8.count):".utf8))
      hash.update(data: Array(text.utf8))
    }
    func add(_ list: [String]?) {
      add("\(list?.count ?? 0)")
      for text in list ?? [] { add(text) }
    }
    for source in sources {
      add(source.name)
      add("\(source.rules.count)")
      for rule in source.rules {
        add(rule.id ?? "")
        add((rule.action ?? .allow).rawValue)
        add(rule.host)
        add(rule.ports?.map { String($0) })
        add(rule.methods)
        add(rule.paths)
        add(rule.schemes)
        add(rule.git.map { [$0.repo, $0.push.map { "\($0)" } ?? ""] + ($0.refs ?? []) })
      }
    }
    return hash.finalize().prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
