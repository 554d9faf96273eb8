import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore

extension Call {
  /// Whether somebody looks at how this agent reasons.
  var countsReasoning: Bool { agent.reasoning != nil && loop.shared.breaker != nil }

  /// Counts the call in its run.
  ///
  /// - Returns: why it may not go out.
  func judgeReasoning() -> LLMRefusal? {
    guard let limits = agent.reasoning, let breaker = loop.shared.breaker else { return nil }
    let reading: ConversationReading
    if let scan {
      guard scan.call.dialect != .openAIEmbeddings else { return nil }
      reading = ConversationReading(scan, body)
    } else {
      // What passes through is a call as far as it can be one.
      guard head.method == .POST else { return nil }
      reading = .empty
    }
    switch breaker.admit(agent, limits, reading, at: time) {
    case .passed(let ticket):
      self.ticket = ticket
      return nil
    case .stuck(let trip, let isNew):
      if isNew { loop.record(event(of: trip)) }
      return LLMRefusal(
        .tooManyRequests, .reasoningLimit, "\(trip); this run of the agent is cut off from models, and a person is asked to look")
    }
  }

  /// A call that no upstream was asked, or that did not come to an answer through no fault of the agent's, does not count.
  func giveBackReasoning(_ status: Int?) {
    guard let ticket else { return }
    self.ticket = nil
    let isUnanswered = status.map { $0 == 429 || $0 >= 500 } ?? false
    if !wasSent || isUnanswered { loop.shared.breaker?.giveBack(ticket) }
  }

  private func event(of trip: ReasoningTrip) -> AuditEvent {
    var event = AuditEvent(
      time: time, component: .llm, action: "circuit-break", decision: .deny, reason: LLMRefusal.Reason.reasoningLimit.rawValue,
      agent: AuditEvent.AgentRef(id: agent.id, name: agent.name.text, owner: agent.owner),
      details: ["limit": trip.limit.rawValue, "count": "\(trip.count)", "bound": "\(trip.bound)", "run": agent.instance])
    event.source = connection.source
    return event
  }
}
