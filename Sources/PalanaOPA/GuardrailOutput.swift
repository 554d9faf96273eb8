import PalanaPolicy

/// Reads what the package `palana.egress` says.
///
/// `deny`: a set or list of reasons (texts, or objects with `reason` and optional `rule`), or a boolean. `allow`: a
/// boolean. `ttl_seconds`: how long the answer holds; absent means that it is asked each time. Other names are the
/// policy's own. Anything of another shape is an error, and an error is a denial.
struct GuardrailOutput: Hashable, Sendable {
  /// A shape that is none of the documented ones.
  struct Malformed: Error, Hashable, Sendable { var field: String }

  /// The longest life that an answer can ask for.
  static let longestLife = Duration.seconds(3600)
  static let package = "palana.egress"
  static let ruleName = "guardrail/palana.egress"

  var denials: [Denial] = []
  var allow = false
  var life = Duration.zero

  struct Denial: Hashable, Sendable {
    var reason: String
    var rule: String?
  }

  init(_ document: OPAValue?) throws(Malformed) {
    guard let document else { return }
    guard case .object(let fields) = document else { throw Malformed(field: "palana.egress") }
    if let deny = fields["deny"] { denials = try Self.denials(deny) }
    if let value = fields["allow"] {
      guard case .bool(let flag) = value else { throw Malformed(field: "allow") }
      allow = flag
    }
    if let value = fields["ttl_seconds"] {
      guard case .number(let seconds) = value, seconds.isFinite, seconds >= 0 else {
        throw Malformed(field: "ttl_seconds")
      }
      life = min(.milliseconds(Int64(min(seconds, 3600) * 1000)), Self.longestLife)
    }
  }

  private static func denials(_ value: OPAValue) throws(Malformed) -> [Denial] {
    switch value {
    case .bool(false): return []
    case .bool(true): return [Denial(reason: "a guardrail denies it")]
    case .array(let list):
      var denials: [Denial] = []
      for element in list {
        switch element {
        case .string(let text): denials.append(Denial(reason: text))
        case .object(let object):
          guard let reason = object["reason"]?.text, object["rule"] == nil || object["rule"]?.text != nil else {
            throw Malformed(field: "deny")
          }
          denials.append(Denial(reason: reason, rule: object["rule"]?.text))
        default: throw Malformed(field: "deny")
        }
      }
      return denials
    default: throw Malformed(field: "deny")
    }
  }

  /// The verdict in the terms of the decision core.
  var verdict: LayerVerdict {
    if let first = denials.first {
      let rule = first.rule.map { "\(Self.ruleName)/\(Self.printable($0, limit: 64))" } ?? Self.ruleName
      let reasons = denials.prefix(4).map { Self.printable($0.reason, limit: 300) }.joined(separator: "; ")
      return .deny(.policyDenied, rule: rule, explanation: reasons.isEmpty ? "a guardrail denies it" : reasons)
    }
    return allow ? .allow(rule: Self.ruleName, explanation: "the guardrail \(Self.package) allows it") : .abstain
  }

  /// Reasons reach denial bodies, logs and terminals: one line, no control characters, bounded.
  static func printable(_ text: String, limit: Int) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(limit) {
      let control = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.properties.isBidiControl
      result.unicodeScalars.append(control || scalar.value == 0x2028 || scalar.value == 0x2029 ? " " : scalar)
    }
    return result
  }
}
