/// How far the nearest rule came, in the order in which a rule is checked.
enum MatchStep: Int, Comparable, Sendable {
  case host, port, scheme, method, path, repository, operation, ref

  static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The reason of a denial when the nearest rule failed at this step.
  var reason: DenialReason {
    switch self {
    case .host: .hostNotAllowed
    case .port: .portNotAllowed
    case .scheme: .schemeNotAllowed
    case .method: .methodNotAllowed
    case .path: .pathNotAllowed
    case .repository, .operation, .ref: .gitNotAllowed
    }
  }

  /// The sentence of that denial.
  func explain(_ request: EgressRequest, nearest: CompiledRule?) -> String {
    let authority = request.authority
    guard let nearest else { return "no rule of \(request.subject.name) names the host \(authority.host)" }
    switch self {
    case .host: return "no rule of \(request.subject.name) allows the host \(authority.host)"
    case .port:
      let ports = nearest.ports.prefix(8).map { String($0) }.joined(separator: ", ")
      return "the rule \(nearest.name) allows \(authority.host) on port \(ports), not \(authority.port)"
    case .scheme:
      let schemes = nearest.schemes.map(\.rawValue).joined(separator: ", ")
      return "the rule \(nearest.name) allows \(authority) with \(schemes), not \(request.scheme.rawValue)"
    case .method:
      let methods = nearest.methods.methods.prefix(8).joined(separator: ", ")
      return "the rule \(nearest.name) allows \(authority) with \(methods) only"
    case .path where nearest.git != nil:
      return "the rule \(nearest.name) allows \(authority) for Git only"
    case .repository, .operation, .ref:
      guard let git = nearest.git, let operation = request.git else { return "the rule \(nearest.name) is about Git" }
      return "the rule \(nearest.name) allows \(git.explain(operation, at: authority))"
    case .path:
      let paths = nearest.paths.prefix(8).map(\.description).joined(separator: ", ")
      return "the rule \(nearest.name) allows \(authority) under \(paths) only"
    }
  }
}

/// Runs rules over one request and remembers what decides: the first deny, the first allow, the nearest miss.
struct RuleJudge {
  private let request: EgressRequest
  private var lenientPath: String??
  private(set) var denied: Int?
  private(set) var allowed: Int?
  private(set) var nearest: Int?
  private(set) var furthest = MatchStep.host

  init(_ request: EgressRequest) { self.request = request }

  /// Looks at a rule whose host pattern covers the request's host.
  mutating func consider(_ rule: CompiledRule, _ number: Int) {
    if rule.denies {
      if number < denied ?? .max, denies(rule) { denied = number }
    } else if number < allowed ?? .max {
      if let failed = failure(of: rule) {
        // The first rule that came furthest; rules come in their order within one list only.
        if nearest == nil || failed > furthest || failed == furthest && number < nearest ?? .max {
          nearest = number
          furthest = failed
        }
      } else {
        allowed = number
      }
    }
  }

  private mutating func denies(_ rule: CompiledRule) -> Bool {
    guard rule.ports.contains(request.authority.port), rule.schemes.contains(request.scheme) else { return false }
    guard request.stage == .request else { return rule.isUnconditional }
    // A request without method or path is not one; whatever it is, a deny rule covers it.
    if !rule.methods.isAny, let method = request.method, !rule.methods.containsIgnoringCase(method) { return false }
    if let git = rule.git { return request.git.map(git.denies) ?? false }
    guard !rule.paths.isEmpty, let path = request.path else { return true }
    return rule.deniesPath(path, lenient: lenient(path))
  }

  /// The step at which an allow rule does not cover the request; nil: it does.
  private mutating func failure(of rule: CompiledRule) -> MatchStep? {
    guard rule.ports.contains(request.authority.port) else { return .port }
    guard rule.schemes.contains(request.scheme) else { return .scheme }
    guard request.stage == .request else { return nil }
    guard let method = request.method, rule.methods.contains(method) else { return .method }
    guard let path = request.path, rule.paths.isEmpty || rule.allowsPath(path, lenient: lenient(path)) else {
      return .path
    }
    if let git = rule.git {
      guard let operation = request.git else { return .path }
      return git.failure(operation)
    }
    return nil
  }

  /// Computed at most once for each request, and only when a rule has paths.
  private mutating func lenient(_ path: String) -> String? {
    if let known = lenientPath { return known }
    let text = CanonicalPath.lenientReading(of: path)
    lenientPath = .some(text)
    return text
  }
}
