import NIOCore
import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaSecrets

/// One request of an agent, from its head to the event that tells of it.
final class Call {
  /// How a call comes to its end before its answer did.
  enum End: Hashable, Sendable {
    case agentLeft
    case agentKilled
    case gatewayStopping
  }

  enum Phase {
    case receiving
    /// A value of a secret is fetched, or a pause before the next attempt goes by.
    case waiting
    /// At an upstream.
    case attempting
    case ended
  }

  let connection: AgentConnection
  let loop: LLMLoop
  let agent: LLMAgent
  let head: HTTPRequestHead
  let id: String
  let time: Timestamp
  let begun = NIODeadline.now()

  var phase = Phase.receiving
  var route: LLMRoute?
  var endpoint: Endpoint?
  var body = ByteBuffer()
  /// Bytes of the body as it came, for which room was taken.
  private var received = 0
  /// What was taken out of the prompt: how often, by the names of patterns.
  var redactions: [String: Int] = [:]
  var scan: RequestScan?
  var reservation: Reservation?
  var attempts = 0
  var tried: Set<Int> = []
  /// Upstreams that cannot answer this request.
  var unfit: Set<Int> = []
  /// When the upstream in question speaks another dialect than the agent.
  var translator: AnswerTranslator?
  /// What takes the credential out of the answer.
  var scrubber: ResponseScrubber?
  var upstream: Int?
  var attempt: UpstreamAttempt?
  /// When something has to have happened.
  var expires = NIODeadline.distantFuture
  var answer: CallAnswer?
  /// The head of an answer that goes to the agent as a whole.
  var held: HTTPResponseHead?
  /// Whether an upstream may have worked on it.
  var wasSent = false
  /// Bytes of the answer that went to the agent.
  var sent: Int64 = 0
  private var pause: Scheduled<Void>?

  init(connection: AgentConnection, loop: LLMLoop, agent: LLMAgent, head: HTTPRequestHead) {
    self.connection = connection
    self.loop = loop
    self.agent = agent
    self.head = head
    id = loop.nextRequestID()
    time = loop.shared.clock.now()
  }

  /// What the agent understands.
  var dialect: Dialect {
    if case .call(let spoken)? = endpoint?.purpose { return spoken }
    return style == .anthropic ? .anthropicMessages : .openAIChat
  }

  /// Which of the libraries the agent uses, as far as its request shows it.
  var style: RouteStyle {
    if case .countTokens? = endpoint?.purpose { return .anthropic }
    if head.headers.contains(name: "anthropic-version") { return .anthropic }
    return route?.style ?? .openAI
  }

  /// How many upstreams could answer.
  var fitUpstreams: Int { (route?.upstreams.count ?? 0) - unfit.count }

  var isEnded: Bool { if case .ended = phase { true } else { false } }

  // MARK: The request

  /// What can be said of the head alone; nil: its body may come.
  func prepare() -> LLMRefusal? {
    guard !agent.isKilled else { return LLMRefusal(.forbidden, .agentKilled, "this agent is cut off") }
    guard !loop.isStopping else { return LLMRefusal(.serviceUnavailable, .gatewayStopping, "the gateway is about to end", retryAfter: 1) }
    let path = Self.path(head.uri)
    let rest = path.dropFirst()
    let end = rest.firstIndex(of: "/") ?? rest.endIndex
    guard path.hasPrefix("/"), let route = loop.shared.routes[String(rest[..<end])] else {
      let names = loop.shared.routes.keys.sorted().map { "/\($0)/…" }.joined(separator: ", ")
      return LLMRefusal(.notFound, .routeUnknown, "there is no route ‘\(path.prefix(80))’; there are: \(names.isEmpty ? "none" : names)")
    }
    self.route = route
    guard let endpoint = Endpoint(rest[end...], method: head.method.rawValue, style: route.style) else {
      return LLMRefusal(.notFound, .endpointUnknown, "the route /\(route.name) does not answer \(head.method) \(rest[end...].prefix(80))")
    }
    self.endpoint = endpoint
    guard head.headers[canonicalForm: "content-encoding"].allSatisfy({ $0.lowercased() == "identity" }) else {
      return LLMRefusal(.unsupportedMediaType, .malformedRequest, "the body must not be compressed")
    }
    if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > loop.shared.limits.requestBytes {
      return tooLarge
    }
    return nil
  }

  /// Of a target in absolute form (RFC 9112 §3.2.2), what follows the authority.
  private static func path(_ target: String) -> Substring {
    guard !target.hasPrefix("/"), let colon = target.firstIndex(of: ":") else { return target[...] }
    let authority = target[colon...].dropFirst()
    guard authority.hasPrefix("//"), let slash = authority.dropFirst(2).firstIndex(of: "/") else { return target[...] }
    return target[slash...]
  }

  private var tooLarge: LLMRefusal {
    LLMRefusal(.payloadTooLarge, .requestTooLarge, "the body is longer than \(loop.shared.limits.requestBytes) bytes")
  }

  func receive(_ bytes: ByteBuffer) -> LLMRefusal? {
    guard body.readableBytes + bytes.readableBytes <= loop.shared.limits.requestBytes else { return tooLarge }
    guard loop.take(bodyBytes: bytes.readableBytes) else {
      return LLMRefusal(.serviceUnavailable, .overloaded, "the gateway has no room for more requests now", retryAfter: 1)
    }
    body.writeImmutableBuffer(bytes)
    received += bytes.readableBytes
    return nil
  }

  /// The request is whole.
  func start() {
    guard case .receiving = phase, let route, let endpoint else { return }
    guard loop.mayCall else {
      return refuse(LLMRefusal(.serviceUnavailable, .auditUnavailable, "what happens cannot be written down at the moment", retryAfter: 1))
    }
    if let refusal = leak() { return refuse(refusal) }
    for (index, upstream) in route.upstreams.enumerated() where !upstream.style.answers(endpoint.purpose, style) { unfit.insert(index) }
    switch endpoint.purpose {
    case .models where !route.models.allowed.isEmpty || !route.models.aliases.isEmpty: return answerModels(route)
    case .call(let dialect):
      do throws(DialectError) { scan = try RequestScan(body, dialect: dialect) } catch { return refuse(LLMRefusal(error)) }
      if let refusal = redact() ?? judge(route) { return refuse(refusal) }
      if let refusal = reserve(route) { return refuse(refusal) }
    case .countTokens where fitUpstreams == 0: return countTokens(route)
    case .countTokens, .anything, .models: break
    }
    guard fitUpstreams > 0 else { return refuse(unspoken(route)) }
    next()
  }

  private func judge(_ route: LLMRoute) -> LLMRefusal? {
    guard let call = scan?.call else { return nil }
    guard route.models.allows(call.model) else {
      return LLMRefusal(
        .forbidden, .modelNotAllowed,
        "the route /\(route.name) does not have the model ‘\(call.model)’; it has: \(route.models.shown.joined(separator: ", "))",
        member: "model")
    }
    guard !call.isInBackground else {
      return LLMRefusal(
        .badRequest, .untranslatable, "an answer in the background cannot be counted: leave ‘background’ out", member: "background")
    }
    return nil
  }

  private func reserve(_ route: LLMRoute) -> LLMRefusal? {
    guard let call = scan?.call else { return nil }
    let output = Int64(clamping: min(call.maxOutput ?? route.maxOutput, route.maxOutput))
    let (total, isTooMuch) = output.multipliedReportingOverflow(by: Int64(clamping: max(1, call.choices)))
    let claim = Claim(
      caller: LLMCaller(id: agent.id, name: agent.name.text, owner: agent.owner, template: agent.template), route: route.name,
      model: route.models.name(of: call.model), input: TokenEstimate.input(of: call),
      output: call.dialect == .openAIEmbeddings ? 0 : isTooMuch ? .max : total, time: time)
    switch loop.shared.ledger.reserve(claim) {
    case .success(let reservation):
      self.reservation = reservation
      return nil
    case .failure(let refusal): return LLMRefusal(refusal)
    }
  }

  // MARK: Attempts

  /// Sends the request to the next upstream.
  func next() {
    guard !isEnded, let route, let endpoint else { return }
    guard let index = loop.nextUpstream(of: route.name, tried: tried, unfit: unfit) else {
      return refuse(LLMRefusal(.serviceUnavailable, .upstreamUnreachable, "the route /\(route.name) has no upstream"))
    }
    attempts += 1
    tried.insert(index)
    upstream = index
    let upstream = route.upstreams[index]
    scrubber = nil
    guard let credential = upstream.credential else { return send(route, upstream, endpoint, nil) }
    let ref = credential.secret(agent)
    if let value = loop.shared.secrets.cachedValue(of: ref, revision: 0) {
      scrubber = loop.scrubber(ref, value)
      return send(route, upstream, endpoint, (credential.field, value))
    }
    fetch(ref) { [self] result in
      switch result {
      case .success(let value):
        scrubber = loop.scrubber(ref, value)
        send(route, upstream, endpoint, (credential.field, value))
      case .failure(let error): refuse(LLMRefusal(.serviceUnavailable, .secretUnavailable, Self.words(error), retryAfter: 1))
      }
    }
  }

  private static func words(_ error: PalanaError) -> String {
    switch error.code {
    case .notFound: "the credential of this route was not stored: its operators know"
    case .denied: "the credential of this route is withdrawn"
    default: "the store of credentials cannot be reached at the moment"
    }
  }

  private func fetch(_ ref: SecretRef, then next: @escaping (Result<Redacted<String>, PalanaError>) -> Void) {
    phase = .waiting
    let bound = NIOLoopBound((self, next), eventLoop: loop.eventLoop)
    let (secrets, eventLoop) = (loop.shared.secrets, loop.eventLoop)
    let isTaken = loop.shared.bridge.submit {
      let result: Result<Redacted<String>, PalanaError>
      do throws(PalanaError) { result = .success(try await secrets.value(of: ref, revision: 0)) } catch { result = .failure(error) }
      eventLoop.execute {
        let (call, next) = bound.value
        if !call.isEnded { next(result) }
      }
    }
    if !isTaken { next(.failure(PalanaError(.unreachable, "too much is asked of the store"))) }
  }

  private func send(
    _ route: LLMRoute, _ upstream: LLMUpstream, _ endpoint: Endpoint, _ credential: (LLMCredential.Field, Redacted<String>)?
  ) {
    guard !isEnded else { return }
    translator = translator(to: upstream)
    let body: ByteBuffer?
    do throws(DialectError) { body = try outgoing(route) } catch {
      // Another one may speak the agent's own dialect.
      if let index = self.upstream { unfit.insert(index) }
      attempts -= 1
      return fitUpstreams > 0 ? next() : refuse(LLMRefusal(error))
    }
    var fields = FieldPolicy.outgoing(head.headers, to: upstream.style)
    switch credential {
    case (.bearer, let value)?: fields.replaceOrAdd(name: "authorization", value: "Bearer \(value.reveal())")
    case (.apiKey, let value)?: fields.replaceOrAdd(name: "x-api-key", value: value.reveal())
    case (.azure, let value)?: fields.replaceOrAdd(name: "api-key", value: value.reveal())
    case nil: break
    }
    let now = NIODeadline.now()
    expires = min(now + TimeAmount(route.firstByteTimeout), begun + TimeAmount(route.timeout))
    phase = .attempting
    let attempt = UpstreamAttempt(self)
    self.attempt = attempt
    wasSent = true
    attempt.send(
      loop.shared.http, url: upstream.url(for: translator?.upstream.path ?? endpoint.path), method: head.method, fields: fields, body: body,
      on: loop.eventLoop)
  }

  /// Tries again after a pause, or gives up with `refusal`.
  func again(after wanted: TimeAmount?, or refusal: LLMRefusal) {
    attempt = nil
    wasSent = false
    guard let route, answer == nil else { return refuse(refusal) }
    if let upstream { loop.failed(upstream, of: route.name, pause: wanted) }
    let now = NIODeadline.now()
    let another = hasFreshUpstream
    // Another upstream is asked at once; the same one after a pause that grows.
    let backOff = TimeAmount.milliseconds(100 << Int64(min(attempts, 6)))
    let pause = another ? TimeAmount.zero : max(wanted ?? .zero, backOff + .milliseconds(Int64.random(in: 0...50)))
    guard attempts <= route.retries, pause <= .seconds(10), now + pause < begun + TimeAmount(route.timeout) else { return refuse(refusal) }
    phase = .waiting
    expires = .distantFuture
    let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
    self.pause = loop.eventLoop.scheduleTask(in: pause) { bound.value.next() }
  }

  func look(_ now: NIODeadline) {
    guard now >= expires, case .attempting = phase, let attempt else { return }
    attempt.cancel()
    let refusal = LLMRefusal(.gatewayTimeout, .upstreamTimeout, "the upstream did not answer in time")
    // Whether it went on thinking nobody knows: it is not asked twice.
    if answer == nil || held != nil { return refuse(refusal) }
    breakOff(refusal)
  }

  // MARK: Ends

  /// Says no, in the dialect of the route.
  func refuse(_ refusal: LLMRefusal) {
    guard !isEnded else { return }
    attempt?.cancel()
    attempt = nil
    guard answer == nil || held != nil else { return breakOff(refusal) }
    let body = ErrorBody(refusal).bytes(dialect)
    var fields = HTTPHeaders([("content-type", "application/json"), ("content-length", "\(body.readableBytes)"), ("x-request-id", id)])
    if let seconds = refusal.retryAfter { fields.add(name: "retry-after", value: "\(seconds)") }
    // The SDKs repeat by themselves what a pause may mend; what it cannot mend they shall not.
    if refusal.isFinal { fields.add(name: "x-should-retry", value: "false") }
    connection.write(head: HTTPResponseHead(version: .http1_1, status: refusal.status, headers: fields))
    connection.write(body)
    sent += Int64(body.readableBytes)
    close(
      refusal.isDenial ? .deny : .error, reason: refusal.reason.rawValue, status: Int(refusal.status.code), outcome: .error, refusal.details
    )
    connection.finish()
  }

  /// The answer has begun and cannot be brought to its end.
  func breakOff(_ refusal: LLMRefusal) {
    guard !isEnded else { return }
    attempt?.cancel()
    attempt = nil
    let isStream = answer?.isStream ?? false
    if isStream {
      connection.write(ErrorBody(refusal).event(dialect))
      connection.flush()
    }
    close(.error, reason: refusal.reason.rawValue, status: answer?.status, outcome: .error)
    connection.breakOff(gently: isStream)
  }

  /// The answer is complete.
  func complete() {
    guard !isEnded, let answer else { return }
    attempt = nil
    if let upstream, let route { loop.worked(upstream, of: route.name) }
    let isError = answer.status >= 400 || answer.report.isError
    close(.allow, reason: isError ? LLMRefusal.Reason.upstreamFailed.rawValue : nil, status: answer.status, outcome: isError ? .error : .ok)
    connection.finish()
  }

  /// The connection is gone.
  func end(_ end: End) {
    guard !isEnded else { return }
    attempt?.cancel()
    attempt = nil
    let reason =
      switch end {
      case .agentLeft: "agent_left"
      case .agentKilled: LLMRefusal.Reason.agentKilled.rawValue
      case .gatewayStopping: LLMRefusal.Reason.gatewayStopping.rawValue
      }
    // A request that never was whole, of somebody who left, is not one.
    if case .receiving = phase, end == .agentLeft {
      phase = .ended
      return loop.give(bodyBytes: received)
    }
    close(end == .agentKilled ? .deny : .error, reason: reason, status: answer?.status, outcome: .cancelled)
  }

  private func close(_ decision: AuditEvent.Decision, reason: String?, status: Int?, outcome: LLMOutcome, _ details: [String: String] = [:])
  {
    phase = .ended
    pause?.cancel()
    loop.give(bodyBytes: received)
    let settled = settle(outcome)
    var event = event(decision, reason: reason, status: status, settled)
    event.details.merge(details) { own, _ in own }
    loop.record(event)
    loop.note(agent.id, at: loop.shared.clock.now())
    body = ByteBuffer()
    answer = nil
  }
}
