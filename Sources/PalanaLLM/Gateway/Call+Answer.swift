import NIOCore
import NIOHTTP1
import PalanaSecrets

extension Call {
  /// Whether there is time and another attempt left for a request that an upstream did not take.
  func mayTryAgain(after pause: TimeAmount?) -> Bool {
    guard let route, attempts <= route.retries else { return false }
    return hasFreshUpstream || (pause ?? .zero) <= .seconds(10)
  }

  /// Whether there is an upstream that was not asked yet.
  var hasFreshUpstream: Bool { route?.upstreams.indices.contains { !tried.contains($0) && !unfit.contains($0) } ?? false }

  /// The answer begins.
  func begin(_ upstream: HTTPResponseHead) {
    guard !isEnded, let route, let endpoint else { return }
    let isStream = upstream.headers[canonicalForm: "content-type"].contains { $0.lowercased().hasPrefix("text/event-stream") }
    var dialect: Dialect?
    if case .call(let spoken) = endpoint.purpose, upstream.status == .ok { dialect = translator?.upstream ?? spoken }
    let form = form(isStream: isStream)
    let answer = CallAnswer(
      status: Int(upstream.status.code), isStream: isStream, dialect: dialect, form: form, limits: loop.shared.limits)
    let keepsLength = if case .passed = form { true } else { false }
    var head = HTTPResponseHead(
      version: .http1_1, status: upstream.status, headers: FieldPolicy.incoming(upstream.headers, keepsLength: keepsLength))
    if let scrubber { head.headers = scrubber.scrub(head.headers) }
    if !head.headers.contains(name: "x-request-id") { head.headers.add(name: "x-request-id", value: id) }
    self.answer = answer
    wait(route)
    guard !answer.isHeld else {
      held = head
      return
    }
    connection.write(head: head)
    connection.flush()
  }

  private func form(isStream: Bool) -> CallAnswer.Form {
    guard let call = scan?.call else { return .passed }
    if let translator {
      guard isStream else { return .held(translator) }
      return .translatedEvents(StreamTranslation(from: translator.upstream, translator.options, wantsUsage: call.wantsUsage))
    }
    return isStream && call.isStreaming && !call.wantsUsage ? .withoutUsage : .passed
  }

  /// The next piece has to come before this.
  private func wait(_ route: LLMRoute) {
    expires = min(.now() + TimeAmount(route.idleTimeout), begun + TimeAmount(route.timeout))
  }

  /// - Returns: done when the agent can take more.
  func pass(_ bytes: ByteBuffer) -> EventLoopFuture<Void> {
    guard !isEnded, let route else { return loop.eventLoop.makeSucceededVoidFuture() }
    do throws(DialectError) { try take(bytes) } catch {
      failed(LLMRefusal(.badGateway, .upstreamFailed, error.message))
      return loop.eventLoop.makeSucceededVoidFuture()
    }
    connection.flush()
    let ready = connection.ready()
    // An agent that takes its time is not the upstream's silence.
    expires = begun + TimeAmount(route.timeout)
    ready.assumeIsolated().whenComplete { [weak self] _ in self?.wait(route) }
    return ready
  }

  private func take(_ bytes: ByteBuffer) throws(DialectError) {
    guard scrubber != nil else { return try answer?.take(bytes) { give($0) } ?? () }
    if let clean = scrubber?.scrub(bytes) { try answer?.take(clean) { give($0) } }
  }

  private func give(_ bytes: ByteBuffer) {
    sent += Int64(bytes.readableBytes)
    content?.take(bytes)
    connection.write(bytes)
  }

  /// All of it came.
  func passed() {
    guard !isEnded else { return }
    do throws(DialectError) {
      if let rest = scrubber?.finish() { try answer?.take(rest) { give($0) } }
    } catch {
      return failed(LLMRefusal(.badGateway, .upstreamFailed, error.message))
    }
    answer?.finish { give($0) }
    if let answer, var head = held {
      let body: ByteBuffer
      do throws(DialectError) { body = try answer.translated() } catch {
        return refuse(LLMRefusal(.badGateway, .upstreamFailed, error.message))
      }
      head.headers.replaceOrAdd(name: "content-type", value: "application/json")
      head.headers.replaceOrAdd(name: "content-length", value: "\(body.readableBytes)")
      held = nil
      connection.write(head: head)
      give(body)
    }
    complete()
  }

  /// The upstream broke off, and nothing may be sent again.
  func failed(_ refusal: LLMRefusal) {
    if let upstream, let route { loop.failed(upstream, of: route.name, pause: nil) }
    if answer == nil || held != nil { refuse(refusal) } else { breakOff(refusal) }
  }
}
