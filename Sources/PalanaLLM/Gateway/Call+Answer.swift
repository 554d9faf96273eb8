import NIOCore
import NIOHTTP1

extension Call {
  /// Whether there is time and another attempt left for a request that an upstream did not take.
  func mayTryAgain(after pause: TimeAmount?) -> Bool {
    guard let route, attempts <= route.retries else { return false }
    return tried.count < route.upstreams.count || (pause ?? .zero) <= .seconds(10)
  }

  /// The answer begins.
  func begin(_ upstream: HTTPResponseHead) {
    guard !isEnded, let route, let endpoint else { return }
    let isStream = upstream.headers[canonicalForm: "content-type"].contains { $0.lowercased().hasPrefix("text/event-stream") }
    var dialect: Dialect?
    if case .call(let spoken) = endpoint.purpose, upstream.status == .ok { dialect = spoken }
    let answer = CallAnswer(
      status: Int(upstream.status.code), isStream: isStream, dialect: dialect,
      hidesUsage: scan.map { $0.call.isStreaming && !$0.call.wantsUsage } ?? false, limits: loop.shared.limits)
    var head = HTTPResponseHead(
      version: .http1_1, status: upstream.status, headers: FieldPolicy.incoming(upstream.headers, keepsLength: !answer.hidesUsage))
    if !head.headers.contains(name: "x-request-id") { head.headers.add(name: "x-request-id", value: id) }
    self.answer = answer
    wait(route)
    connection.write(head: head)
    connection.flush()
  }

  /// The next piece has to come before this.
  private func wait(_ route: LLMRoute) {
    expires = min(.now() + TimeAmount(route.idleTimeout), begun + TimeAmount(route.timeout))
  }

  /// - Returns: done when the agent can take more.
  func pass(_ bytes: ByteBuffer) -> EventLoopFuture<Void> {
    guard !isEnded, let route else { return loop.eventLoop.makeSucceededVoidFuture() }
    answer?.take(bytes) { give($0) }
    connection.flush()
    let ready = connection.ready()
    // An agent that takes its time is not the upstream's silence.
    expires = begun + TimeAmount(route.timeout)
    ready.assumeIsolated().whenComplete { [weak self] _ in self?.wait(route) }
    return ready
  }

  private func give(_ bytes: ByteBuffer) {
    sent += Int64(bytes.readableBytes)
    connection.write(bytes)
  }

  /// All of it came.
  func passed() {
    guard !isEnded else { return }
    answer?.finish { give($0) }
    complete()
  }

  /// The upstream broke off, and nothing may be sent again.
  func failed(_ refusal: LLMRefusal) {
    if let upstream, let route { loop.failed(upstream, of: route.name, pause: nil) }
    if answer == nil { refuse(refusal) } else { breakOff(refusal) }
  }
}
