import NIOCore
import NIOHTTP1
import PalanaCore
import PalanaSecrets

extension Call {
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
    beginContent(route)
    attempt.send(
      loop.clients.client(for: upstream.url), url: upstream.url(for: translator?.upstream.path ?? endpoint.path), method: head.method,
      fields: fields, body: body, on: loop.eventLoop)
  }

  /// Tries again after a pause, or gives up.
  func again(_ retry: UpstreamAttempt.Retry) {
    let (wanted, refusal) = (retry.pause, retry.refusal)
    attempt = nil
    wasSent = false
    guard let route, answer == nil else { return refuse(refusal) }
    if let upstream, retry.isForAll { loop.failed(upstream, of: route.name, pause: wanted) }
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
}
