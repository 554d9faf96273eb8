/// The groups of the case list: one row each in the posture table.
public enum Family: String, CaseIterable, Sendable, Codable {
  case names, addresses, identity, framing, http2, websockets, credentials, echoes, tls, around, machine, load, logs
  case lifeCycle = "life cycle"
}

/// What an attack came to.
public enum Verdict: Sendable, Equatable {
  /// The gateway kept what it promises.
  case held
  /// It did not; a sentence with what was seen.
  case broken(String)
  /// The case says nothing about this gateway, with the reason.
  case notApplicable(String)

  /// The first of two verdicts that is worse than ``held``.
  func and(_ other: @autoclosure () -> Verdict) -> Verdict { self == .held ? other() : self }
}

/// One attack: what is claimed, and how an attacker would show that the claim is wrong.
public struct EgressCase: Sendable {
  public let family: Family
  /// Unique within the family; words with dashes.
  public let name: String
  /// A sentence that holds for a gateway that is whole.
  public let claim: String
  /// Whether it may run against an agent in use: it asks the gateway alone, sends little, and needs no upstream.
  public let isSafe: Bool
  /// Cases that change what all see run alone, after the others.
  public let isExclusive: Bool
  public let attack: @Sendable (Attack) async throws -> Verdict

  public init(
    _ family: Family, _ name: String, _ claim: String, isSafe: Bool = false, isExclusive: Bool = false,
    attack: @escaping @Sendable (Attack) async throws -> Verdict
  ) {
    self.family = family
    self.name = name
    self.claim = claim
    self.isSafe = isSafe
    self.isExclusive = isExclusive
    self.attack = attack
  }

  /// Every case, by family.
  public static let all: [EgressCase] =
    NameCases.all + AddressCases.all + ResolutionCases.all + IdentityCases.all + FramingCases.all + ResponseFramingCases.all
    + HTTP2Cases.all + WebsocketCases.all + CredentialCases.all + EchoCases.all + TLSCases.all + AroundCases.all + MachineCases.all
    + LoadCases.all + LogCases.all + LifeCycleCases.all
}
