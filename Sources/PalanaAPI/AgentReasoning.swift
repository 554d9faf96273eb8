/// When the LLM gateway takes an agent for stuck: how many calls of models one run may make, and how often it may repeat itself. An agent
/// without it has no such limits.
package struct AgentReasoning: Codable, Hashable, Sendable {
  /// How deep a run is expected to reason.
  package enum Tier: String, Codable, Sendable, CaseIterable {
    /// One question in one domain: 8 calls.
    case simple
    /// Several domains: 15 calls.
    case complex

    /// Calls of a run, as long as the runs before do not say less.
    package var calls: Int {
      switch self {
      case .simple: 8
      case .complex: 15
      }
    }
  }

  /// Absent: calls are bounded by ``maxCalls`` only.
  package var tier: Tier?
  /// In place of the tier's own number.
  package var maxCalls: Int?
  /// How often a prompt may come again.
  package var maxRepeats: Int?
  /// How often the same calls of tools may come again in a row.
  package var maxToolLoops: Int?

  /// Of ``maxRepeats`` and ``maxToolLoops`` when absent.
  package static let defaultRepeats = 3

  package init(tier: Tier? = nil, maxCalls: Int? = nil, maxRepeats: Int? = nil, maxToolLoops: Int? = nil) {
    self.tier = tier
    self.maxCalls = maxCalls
    self.maxRepeats = maxRepeats
    self.maxToolLoops = maxToolLoops
  }

  /// These over those of a template, field by field. A tier of its own also replaces the template's number of calls.
  package func over(_ template: Self?) -> Self {
    Self(
      tier: tier ?? template?.tier, maxCalls: maxCalls ?? (tier == nil ? template?.maxCalls : nil),
      maxRepeats: maxRepeats ?? template?.maxRepeats, maxToolLoops: maxToolLoops ?? template?.maxToolLoops)
  }
}

extension Problems {
  /// More the gateway does not look back for.
  private static var longestRepeat: Int { 15 }

  mutating func reasoning(_ reasoning: AgentReasoning?, _ path: String) {
    guard let reasoning else { return }
    if let calls = reasoning.maxCalls { require((1...100_000).contains(calls), "\(path).maxCalls", "from 1 to 100000") }
    if let repeats = reasoning.maxRepeats { require((1...Self.longestRepeat).contains(repeats), "\(path).maxRepeats", "from 1 to 15") }
    if let loops = reasoning.maxToolLoops { require((1...Self.longestRepeat).contains(loops), "\(path).maxToolLoops", "from 1 to 15") }
  }
}
