import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy

/// Answers the questions of agents for names, on an event loop of its own, so that a flood of them delays no request.
///
/// No question leaves the machine: a name that policy allows the agent to reach has an address that stands for it, and is resolved
/// when a request to it was allowed. So what an agent puts into a name goes nowhere.
final class AgentResolver {
  /// Questions of one agent: in a second, at once, and waiting for a guardrail.
  private static let questionsPerSecond = 100
  private static let questionsAtOnce = 300
  private static let mostWaiting = 64

  private unowned let loop: LoopContext
  private let names: SyntheticNames
  private var budget = QueryBudget(perSecond: questionsPerSecond, atOnce: questionsAtOnce)
  private var log = ResolutionLog()
  private var waiting: [AgentID: Int] = [:]
  private var connections = ResolverConnections()

  init(loop: LoopContext, names: SyntheticNames) {
    self.loop = loop
    self.names = names
  }

  /// Answers one message.
  /// - Parameter reply: called once, on this event loop; with nil when there is no answer.
  func answer(_ message: ByteBuffer, from source: AuditEvent.Source, _ reply: @escaping (ByteBuffer?) -> Void) {
    guard let agent = speaker(source) else { return reply(nil) }
    var note = ResolutionLog.Note(agent: agent.reference, source: source, host: nil, type: 0)
    guard budget.take(agent.id, now: .now()) else {
      note.denial = .limitExceeded
      record(note)
      return reply(nil)
    }
    switch DNSQuestion.read(message) {
    case .ignored: reply(nil)
    case .refused(let question, let code): reply(DNSReply(code: code).write(to: question))
    case .question(let question):
      note.type = question.type
      note.host = question.host
      if let answer = immediate(question, agent, &note) { return reply(answer.write(to: question)) }
      guard let host = question.host else { return reply(nil) }
      judge(host, agent) { [self] decision in
        reply(answer(question, host, agent, decision, note).write(to: question))
      }
    }
  }

  /// The live agent with this address.
  private func speaker(_ source: AuditEvent.Source) -> EgressAgent? {
    guard let agent = loop.snapshot.agents[source.ip] else {
      loop.refuse(RefusalLog.Refusal(ip: source.ip, port: source.port, reason: .agentUnknown))
      return nil
    }
    guard !agent.isKilled, !loop.isStopping else {
      loop.refuse(RefusalLog.Refusal(ip: source.ip, port: source.port, reason: .agentKilled, agent: agent.reference))
      return nil
    }
    return agent
  }

  /// The answer where no policy has to be asked.
  private func immediate(_ question: DNSQuestion, _ agent: EgressAgent, _ note: inout ResolutionLog.Note) -> DNSReply? {
    guard question.isInternet, !DNSType.isMeta(question.type) else {
      note.denial = .protocolNotSupported
      record(note)
      return DNSReply(code: .refused, denial: note.denial)
    }
    guard let host = question.host, host.address == nil else {
      note.host = nil
      note.denial = .malformedRequest
      record(note)
      return DNSReply(code: .noSuchName, denial: note.denial)
    }
    guard let address = ReverseName.address(in: host), names.isInRange(address) else { return nil }
    // Of its own table only, so it learns what it asked for before.
    guard let name = names.host(at: address, for: agent.id, now: .now()) else { return DNSReply(code: .noSuchName) }
    return question.type == DNSType.pointer ? DNSReply(record: .pointer(name)) : DNSReply()
  }

  private func answer(
    _ question: DNSQuestion, _ host: CanonicalHost, _ agent: EgressAgent, _ decision: EgressDecision?,
    _ note: ResolutionLog.Note
  ) -> DNSReply {
    var note = note
    note.denial = decision.map(\.denial) ?? .policyUnavailable
    note.rule = decision?.rule
    note.policyVersion = decision?.policyVersion
    var reply = DNSReply(denial: note.denial)
    switch note.denial {
    case nil where question.type == DNSType.address:
      if let address = names.address(of: host, for: agent.id, now: .now()) {
        reply.record = .address(address)
      } else {
        note.denial = .limitExceeded
        reply = DNSReply(code: .serverFailure, denial: .limitExceeded)
      }
    // Allowed, and there is nothing else to say of it: clients go on with the address.
    case nil: break
    case .policyUnavailable: reply.code = .serverFailure
    default: reply.code = .noSuchName
    }
    // What cannot be written down is not answered.
    guard record(note) else { return DNSReply(code: .serverFailure, denial: .auditUnavailable) }
    return reply
  }

  @discardableResult
  private func record(_ note: ResolutionLog.Note) -> Bool {
    guard let event = log.add(note, now: loop.now, clock: loop.shared.clock, id: loop.ids.next()) else {
      return !loop.audit.isDown
    }
    let isKept = loop.audit.record(event)
    loop.counts.lostEvents += isKept ? 0 : 1
    return isKept
  }

  // MARK: Policy

  /// Whether the agent may reach the host at this moment; nil when nobody can say.
  private func judge(_ host: CanonicalHost, _ agent: EgressAgent, _ next: @escaping (EgressDecision?) -> Void) {
    let questions = agent.decisions.questions(whether: agent.subject, mayReach: host)
    var first: EgressDecision?
    var isComplete = true
    for question in questions {
      guard let decision = agent.decisions.decideImmediately(question) else {
        isComplete = false
        continue
      }
      if decision.isAllowed { return next(decision) }
      first = first ?? decision
    }
    if isComplete { return next(first) }
    ask(questions, agent, next)
  }

  /// The slow path: guardrails.
  private func ask(_ questions: [EgressRequest], _ agent: EgressAgent, _ next: @escaping (EgressDecision?) -> Void) {
    guard waiting[agent.id, default: 0] < Self.mostWaiting else { return next(nil) }
    waiting[agent.id, default: 0] += 1
    let bound = NIOLoopBound((self, next), eventLoop: loop.eventLoop)
    let eventLoop = loop.eventLoop
    let decisions = agent.decisions
    let isTaken = loop.shared.bridge.submit {
      var first: EgressDecision?
      for question in questions {
        let decision = await decisions.decide(question)
        if first == nil || decision.isAllowed { first = decision }
        if decision.isAllowed { break }
      }
      let result = first
      eventLoop.execute {
        let (resolver, next) = bound.value
        resolver.answered(agent)
        // An answer by an old policy says nothing any more; the agent asks again.
        next(resolver.loop.snapshot.agents[agent.source] === agent ? result : nil)
      }
    }
    if !isTaken {
      answered(agent)
      next(nil)
    }
  }

  private func answered(_ agent: EgressAgent) {
    let left = waiting[agent.id, default: 1] - 1
    waiting[agent.id] = left > 0 ? left : nil
  }

  // MARK: Connections

  /// - Returns: whether the connection may stay.
  func open(_ connection: ResolverConnection) -> Bool {
    guard let agent = speaker(connection.source) else { return false }
    return connections.add(connection, of: agent)
  }

  func closed(_ connection: ResolverConnection) { connections.remove(connection) }

  // MARK: Changes from outside

  func tick(_ now: NIODeadline) {
    connections.expire(now)
    writeDue(now)
  }

  func adopt(_ snapshot: EgressSnapshot) {
    let agents = Set(snapshot.agents.values.lazy.map(\.id))
    names.keep(agents)
    budget.keep(agents)
    connections.cut { agent in snapshot.agents[agent.source].map { $0.id != agent.id || $0.isKilled } ?? true }
  }

  func cut(_ agents: Set<AgentID>) { connections.cut { agents.contains($0.id) } }

  func stop() {
    connections.cut { _ in true }
    writeDue(.distantFuture)
  }

  private func writeDue(_ now: NIODeadline) {
    for event in log.due(now, clock: loop.shared.clock, id: { loop.ids.next() }) {
      loop.counts.lostEvents += loop.audit.record(event) ? 0 : 1
    }
  }
}

extension EgressAgent {
  /// The agent as events name it.
  var reference: AuditEvent.AgentRef {
    AuditEvent.AgentRef(id: id, name: subject.name.text, owner: subject.owner)
  }
}
