import NIOCore
import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore

extension Call {
  /// What a call came to.
  struct Settled {
    var usage: TokenUsage
    var isEstimated: Bool
    var cost: Cost
    var isPriceKnown: Bool
    var finishReason: String?
  }

  /// Puts what was used in the place of what was reserved.
  ///
  /// - Returns: nil when nothing was reserved, or nothing reached the upstream.
  func settle(_ outcome: LLMOutcome) -> Settled? {
    guard let reservation else { return nil }
    self.reservation = nil
    // An answer of the upstream that is a refusal costs nothing, and neither does what never arrived there.
    guard wasSent, answer.map({ $0.status < 400 }) ?? true else {
      loop.shared.ledger.release(reservation)
      return nil
    }
    let report = answer?.report ?? AnswerReport()
    let (usage, isEstimated) = scan.map { report.settled($0.call) } ?? (TokenUsage(), false)
    let cost = reservation.price.cost(usage)
    let now = NIODeadline.now()
    let settlement = Settlement(
      usage: usage, outcome: outcome, latency: Duration(now - begun), timeToFirstToken: answer?.firstToken.map { Duration($0 - begun) })
    for warning in loop.shared.ledger.settle(reservation, settlement) { warn(warning) }
    return Settled(
      usage: usage, isEstimated: isEstimated, cost: cost, isPriceKnown: reservation.isPriceKnown, finishReason: report.finishReason)
  }

  func event(_ decision: AuditEvent.Decision, reason: String?, status: Int?, _ settled: Settled?) -> AuditEvent {
    var details: [String: String] = [:]
    if let route { details["route"] = route.name }
    if let model = scan?.call.model { details["model"] = model }
    if let upstream, let route { details["upstream"] = route.upstreams[upstream].name }
    if !redactions.isEmpty {
      details["redacted"] = redactions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }
    if attempts > 1 { details["attempts"] = "\(attempts)" }
    if let settled {
      details["inputTokens"] = "\(settled.usage.input)"
      details["outputTokens"] = "\(settled.usage.output)"
      details["cost"] = "\(settled.cost)"
      if settled.isEstimated { details["estimated"] = "true" }
      if !settled.isPriceKnown { details["price"] = "unknown" }
    }
    var event = AuditEvent(
      time: time, component: .llm, action: "call", decision: decision, reason: reason,
      agent: AuditEvent.AgentRef(id: agent.id, name: agent.name.text, owner: agent.owner), details: details)
    event.source = connection.source
    event.request = AuditEvent.Request(id: id, method: head.method.rawValue, path: shownPath)
    event.response = status.map { AuditEvent.Response(status: $0, bytes: sent) }
    event.durationMs = Double((NIODeadline.now() - begun).nanoseconds) / 1_000_000
    return event
  }

  private func warn(_ warning: BudgetWarning) {
    let figures = warning.figures
    loop.record(
      AuditEvent(
        time: loop.shared.clock.now(), component: .llm, action: "budget-warning", decision: .info,
        agent: AuditEvent.AgentRef(id: agent.id, name: agent.name.text, owner: agent.owner),
        details: [
          "budget": figures.budget, "measure": figures.measure.rawValue, "limit": figures.text(figures.limit),
          "used": figures.text(figures.used), "at": "\(warning.warnsAt)%",
        ]))
  }
}

extension Duration {
  init(_ amount: TimeAmount) { self = .nanoseconds(amount.nanoseconds) }
}
