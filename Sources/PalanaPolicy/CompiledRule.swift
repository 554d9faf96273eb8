import PalanaAPI
import PalanaCore

/// One egress rule in its usable form: everything is parsed, and nothing is optional.
struct CompiledRule: Sendable {
  /// `source/id`, as it stands in decisions and audit events.
  let name: String
  let denies: Bool
  let host: HostPattern
  let ports: [UInt16]
  let schemes: [EgressRequest.Scheme]
  let methods: MethodSet
  let paths: [PathPattern]
  /// Nil: the rule is about every kind of request.
  let git: CompiledGitRule?
  /// The sentence of a decision that this rule took. Built once, because a decision on the hot path does not build
  /// texts.
  let explanation: String

  static let defaultPorts: [UInt16] = [443, 80]
  /// The most entries that one list of a rule may have.
  static let longestList = 256

  /// - Throws: ``PalanaError`` with code `invalid`, whose message starts with `place` and the field.
  init(_ rule: EgressRule, name: String, place: String) throws(PalanaError) {
    func at<Value>(_ field: String, _ read: () throws(PalanaError) -> Value) throws(PalanaError) -> Value {
      do { return try read() } catch {
        throw PalanaError(error.code, "\(place).\(field): \(error.message)", hint: error.hint)
      }
    }
    func bounded(_ count: Int?) throws(PalanaError) {
      if let count, count > Self.longestList {
        throw PalanaError(.invalid, "the list has \(count) entries, at most \(Self.longestList) are allowed")
      }
    }
    self.name = name
    denies = rule.action == .deny
    host = try at("host") { () throws(PalanaError) in try HostPattern.parse(rule.host) }
    ports = try at("ports") { () throws(PalanaError) in
      try bounded(rule.ports?.count)
      guard let written = rule.ports, !written.isEmpty else { return Self.defaultPorts }
      var ports: [UInt16] = []
      for number in written {
        guard let port = UInt16(exactly: number), port > 0 else {
          throw PalanaError(.invalid, "\(number) is not a port", hint: "a port is a number from 1 to 65535")
        }
        if !ports.contains(port) { ports.append(port) }
      }
      return ports
    }
    schemes = try at("schemes") { () throws(PalanaError) in
      try bounded(rule.schemes?.count)
      guard let written = rule.schemes, !written.isEmpty else { return EgressRequest.Scheme.allCases }
      var schemes: [EgressRequest.Scheme] = []
      for text in written {
        guard let scheme = EgressRequest.Scheme(rawValue: text) else {
          throw PalanaError(.invalid, "the scheme is neither https nor http")
        }
        if !schemes.contains(scheme) { schemes.append(scheme) }
      }
      return schemes
    }
    methods = try at("methods") { () throws(PalanaError) in
      try bounded(rule.methods?.count)
      return try MethodSet(rule.methods ?? [])
    }
    paths = try at("paths") { () throws(PalanaError) in
      try bounded(rule.paths?.count)
      var paths: [PathPattern] = []
      for text in rule.paths ?? [] { paths.append(try PathPattern.parse(text)) }
      return paths
    }
    git = try at("git") { () throws(PalanaError) in
      guard let git = rule.git else { return nil }
      guard rule.methods?.isEmpty ?? true, rule.paths?.isEmpty ?? true else {
        throw PalanaError(.invalid, "a rule for repositories has neither methods nor paths")
      }
      return try CompiledGitRule(git, denies: rule.action == .deny)
    }
    explanation = denies ? "the rule \(name) denies it" : "the rule \(name) allows it"
  }

  /// Whether the rule speaks of every request to its hosts, ports and schemes.
  var isUnconditional: Bool { methods.isAny && paths.isEmpty && git == nil }

  /// Deny: true if any reading of the path is covered, since the upstream may use that one.
  func deniesPath(_ path: String, lenient: String?) -> Bool {
    // A rule that denies any path of a host denies the asterisk form of OPTIONS too, which is about all of them.
    if paths.isEmpty || path == "*" { return true }
    for pattern in paths {
      if pattern.matches(path) { return true }
      if let lenient, pattern.matches(lenient) { return true }
    }
    return false
  }

  /// Allow: true only if every reading of the path is covered, each by any pattern of this rule. A pattern that spells
  /// out empty segments, parameters or encoded slashes has said which reading it means.
  func allowsPath(_ path: String, lenient: String?) -> Bool {
    if paths.isEmpty { return true }
    var literal = false
    var simplified = lenient == nil
    for pattern in paths {
      if !literal, pattern.matches(path) {
        literal = true
        if pattern.isLiteralAboutSegments { simplified = true }
      }
      if !simplified, let lenient, pattern.matches(lenient) { simplified = true }
      if literal, simplified { return true }
    }
    return false
  }
}
