/// Whether what was seen is what must be.
extension AttackExpectation {
  /// Errors that are about the message, or about the agent's pace: nothing was decided about where it was to go.
  private static let messageErrors: Set<Int> = [400, 405, 408, 411, 413, 414, 415, 417, 426, 429, 431, 501, 505]

  /// - Returns: true: the platform kept what it promises.
  package func holds(_ observation: Observation) -> Bool {
    switch self {
    case .refused: Self.isRefused(observation, atMost: .max)
    case .refusedOnce: Self.isRefused(observation, atMost: 1)
    case .malformed: Self.isRefused(observation, atMost: 1) { Self.messageErrors.contains($0.status) }
    case .unproven: Self.isRefused(observation, atMost: 1) { $0.status == 407 || Self.messageErrors.contains($0.status) }
    case .noHandshake: Self.isHandshakeFree(observation)
    case .nobody: Self.isNobody(observation)
    case .silence: Self.isSilence(observation)
    case .noRecord: Self.hasNoRecord(observation)
    }
  }

  private static func isRefused(
    _ observation: Observation, atMost: Int, _ condition: (HTTPAnswers.Answer) -> Bool = { $0.status >= 400 }
  ) -> Bool {
    switch observation {
    case .noConnection, .closed: return true
    // It was taken and kept: whoever waits for more has accepted what was sent.
    case .silent(let isConnected): return !isConnected
    case .answered(let bytes):
      // An alert of TLS (RFC 8446 §6) refuses too.
      if bytes.first == 21 { return true }
      let answers = HTTPAnswers(bytes)
      return !answers.all.isEmpty && !answers.hasOther && answers.all.count <= atMost
        && answers.all.allSatisfy { $0.status >= 400 && condition($0) }
    }
  }

  private static func isHandshakeFree(_ observation: Observation) -> Bool {
    switch observation {
    case .noConnection, .closed: return true
    case .silent(let isConnected): return !isConnected
    case .answered(let bytes): return bytes.first == 21 || isRefused(observation, atMost: .max)
    }
  }

  private static func isNobody(_ observation: Observation) -> Bool {
    switch observation {
    case .noConnection, .closed: return true
    case .silent(let isConnected): return !isConnected
    case .answered(let bytes):
      let answers = HTTPAnswers(bytes)
      return !answers.all.isEmpty && !answers.hasOther && answers.all.allSatisfy(\.isOwnRefusal)
    }
  }

  private static func isSilence(_ observation: Observation) -> Bool {
    if case .answered = observation { return false }
    return true
  }

  private static func hasNoRecord(_ observation: Observation) -> Bool {
    guard case .answered(let bytes) = observation else { return true }
    if let records = DNSQuestion.records(bytes) { return records == 0 }
    // Over TCP the answer has its length in front; the gateway may refuse in its own words instead.
    if let records = DNSQuestion.records(Array(bytes.dropFirst(2))) { return records == 0 }
    return isNobody(observation)
  }
}
