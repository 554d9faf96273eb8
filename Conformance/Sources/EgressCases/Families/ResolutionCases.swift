/// Names whose answers the suite's own name server gives.
enum ResolutionCases {
  static let all: [EgressCase] =
    [
      leads(.good, "A name of the name server is reached, so that the others can be believed.", passes: true),
      leads(.inside, "A name that the name server leads to a special address is refused."),
      leads(.mixed, "A name with a good and a special address is refused."),
      leads(.alias, "An alias of a special address is refused."),
      leads(.mapped, "A name whose IPv6 address carries a special address is refused."),
    ] + [turning]

  private static func name(_ kind: CaseNames.Kind, _ attack: Attack) throws -> String {
    guard attack.target.upstream?.inside != nil else { throw Missing("the gateway does not ask the suite's name server") }
    return "\(kind.rawValue)-\(attack.mark).\(CaseNames.zone)"
  }

  private static func leads(_ kind: CaseNames.Kind, _ claim: String, passes: Bool = false) -> EgressCase {
    EgressCase(.addresses, "answer-\(kind.rawValue)", claim) { attack in
      let name = try name(kind, attack)
      let answer = try await ask(attack, name, attack.path)
      return passes ? attack.passed(answer) : attack.refused(answer, "address_not_allowed")
    }
  }

  private static func ask(_ attack: Attack, _ name: String, _ path: String) async throws -> Answer {
    do { return try await attack.ask(attack.request(path, host: attack.authority(name)), name: name) } catch let refused as Refused {
      return refused.answer
    }
  }

  private static let turning = EgressCase(
    .addresses, "answer-turning", "The address that was checked is the one that is dialled, and a later answer is checked like the first."
  ) { attack in
    let name = try name(.turning, attack)
    // A kept connection would need no answer of the name server.
    try attack.upstream.script(attack.mark) { wire, _ in
      try await wire.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
      return false
    }
    for number in 0..<50 {
      let answer = try await ask(attack, name, "\(attack.path)/\(number)")
      if attack.arrived.contains(where: \.isInside) { return .broken("the special address was dialled") }
      if answer.status >= 400 {
        guard try attack.upstream.names?.count(name) ?? 0 > 1 else { return .broken("refused with \(answer.reason ?? "")") }
        return attack.target.features.contains(.reasons) && answer.reason != "address_not_allowed"
          ? .broken("refused with \(answer.reason ?? "")") : .held
      }
      try await Task.sleep(for: .milliseconds(100))
    }
    return .held
  }
}
