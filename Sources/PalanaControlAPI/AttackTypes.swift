/// The groups of attacks on a live agent: one row each in the posture table.
package enum AttackFamily: String, Codable, Sendable, CaseIterable {
  case names, addresses, identity, framing, http2, tls, dns, around, control
}

/// What one attack on a live agent came to: one line of the answer.
package struct AttackRecord: Codable, Hashable, Sendable {
  package enum Verdict: String, Codable, Sendable, CaseIterable {
    /// The platform kept what it promises.
    case held
    /// It did not.
    case broken
    /// The case says nothing about this agent: ``came`` says why, and nothing was sent.
    case notApplicable
  }

  package var family: AttackFamily
  /// Unique within the family; words with dashes.
  package var name: String
  /// A sentence that holds for a platform that is whole.
  package var claim: String
  package var verdict: Verdict
  /// What was sent, for people.
  package var sent: String
  /// What came back, for people: the first line at most, made safe to show. Why, for a case that is not applicable.
  package var came: String
  /// What to do; present for what is broken.
  package var advice: String?
  /// How many lines the whole answer has: one that ends earlier broke off.
  package var of: Int

  package init(
    family: AttackFamily, name: String, claim: String, verdict: Verdict, sent: String, came: String, advice: String? = nil,
    of: Int
  ) {
    self.family = family
    self.name = name
    self.claim = claim
    self.verdict = verdict
    self.sent = sent
    self.came = came
    self.advice = advice
    self.of = of
  }
}
