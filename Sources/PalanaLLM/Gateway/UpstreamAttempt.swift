import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import PalanaCore

/// One sending of a request to one upstream. Everything happens on the event loop of the agent's connection.
final class UpstreamAttempt {
  /// Nil once it was given up: what still comes is nobody's.
  private var call: Call?
  private var task: HTTPClient.Task<Void>?
  /// The answer is not passed on; when it has ended, the request is sent again.
  private var retry: Retry?
  private var passedOver = 0
  /// Whether a byte of the request may be with the upstream.
  fileprivate var isSent = false

  private static let mostPassedOver = 65_536

  struct Retry {
    var pause: TimeAmount?
    /// What the agent is told when there is none.
    var refusal: LLMRefusal
    /// Whether the upstream would say the same to other agents, which go elsewhere for a while then.
    var isForAll = true
  }

  init(_ call: Call) { self.call = call }

  func send(_ http: HTTPClient, url: String, method: HTTPMethod, fields: HTTPHeaders, body: ByteBuffer?, on eventLoop: any EventLoop) {
    let request: HTTPClient.Request
    do {
      request = try HTTPClient.Request(url: url, method: method, headers: fields, body: body.map { .byteBuffer($0) })
    } catch {
      call?.refuse(LLMRefusal(.badGateway, .upstreamUnreachable, "the address of the upstream cannot be used"))
      return
    }
    task = http.execute(
      request: request, delegate: UpstreamDelegate(NIOLoopBound(self, eventLoop: eventLoop)), eventLoop: .delegate(on: eventLoop))
  }

  func cancel() {
    call = nil
    task?.cancel()
    task = nil
  }

  // MARK: What the upstream says

  fileprivate func receive(_ head: HTTPResponseHead) {
    guard let call, let route = call.route else { return }
    // What it says of our credential is not for the agent.
    if head.status == .unauthorized, let index = call.upstream, route.upstreams[index].credential != nil {
      let refusal = LLMRefusal(
        .badGateway, .credentialRefused, "the upstream does not accept the credential of the route /\(route.name): its operators know")
      guard call.attempts <= route.retries, call.hasFreshUpstream else { return call.refuse(refusal) }
      retry = Retry(pause: nil, refusal: refusal, isForAll: false)
      return
    }
    // Where it leads, its operators have to say.
    if (300..<400).contains(head.status.code) {
      return call.failed(LLMRefusal(.badGateway, .upstreamFailed, "the upstream answered with a redirect (\(head.status.code))"))
    }
    let again = RetryRule.pause(head, uncertain: route.retriesUncertain)
    if let again, call.attempts <= route.retries {
      let isOfAgent = head.status == .tooManyRequests && call.upstream.flatMap { route.upstreams[$0].credential }?.isEachAgents == true
      retry = Retry(
        pause: again.pause, refusal: LLMRefusal(.badGateway, .upstreamFailed, "the upstream answered \(head.status.code)"),
        isForAll: !isOfAgent)
      // The last one's own words go to the agent.
      if call.mayTryAgain(after: again.pause) { return }
      retry = nil
    }
    call.begin(head)
  }

  fileprivate func receive(_ bytes: ByteBuffer, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
    guard let call else { return eventLoop.makeSucceededVoidFuture() }
    guard retry == nil else {
      passedOver += bytes.readableBytes
      if passedOver > Self.mostPassedOver { fail() }
      return eventLoop.makeSucceededVoidFuture()
    }
    return call.pass(bytes)
  }

  fileprivate func finish() {
    guard let call else { return }
    self.call = nil
    task = nil
    if let retry { return call.again(retry) }
    call.passed()
  }

  fileprivate func fail() {
    guard let call else { return }
    cancel()
    if let retry { return call.again(retry) }
    let refusal = LLMRefusal(.badGateway, .upstreamUnreachable, "the upstream could not be reached, or closed the connection")
    // What never arrived may be sent again; of what broke off later nobody knows what it cost.
    guard call.answer == nil, !isSent || call.route?.retriesUncertain == true else { return call.failed(refusal) }
    call.again(Retry(refusal: refusal))
  }
}

/// Which answers of an upstream mean that another attempt is worth it.
enum RetryRule {
  struct Pause: Hashable {
    /// As long as the upstream wants; nil: it does not say.
    var pause: TimeAmount?
  }

  /// - Parameter uncertain: whether it also counts what may have been worked on, and paid for.
  /// - Returns: nil when the answer is the agent's.
  static func pause(_ head: HTTPResponseHead, uncertain: Bool) -> Pause? {
    switch head.status.code {
    // Not looked at: too many, or no capacity (529 is Anthropic's).
    case 429, 503, 529: return Pause(pause: wanted(head.headers))
    case 408, 500, 502, 504: return uncertain ? Pause(pause: wanted(head.headers)) : nil
    default: return nil
    }
  }

  /// RFC 9110 §10.2.3; only the form in seconds.
  private static func wanted(_ fields: HTTPHeaders) -> TimeAmount? {
    guard let text = fields.first(name: "retry-after"), let seconds = Int64(text), (0...86_400).contains(seconds) else { return nil }
    return .seconds(seconds)
  }
}

/// Hands what the client calls back to the attempt, on its event loop.
private final class UpstreamDelegate: HTTPClientResponseDelegate {
  typealias Response = Void

  private let attempt: NIOLoopBound<UpstreamAttempt>

  init(_ attempt: NIOLoopBound<UpstreamAttempt>) { self.attempt = attempt }

  func didSendRequestHead(task: HTTPClient.Task<Void>, _ head: HTTPRequestHead) { attempt.value.isSent = true }

  func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
    attempt.value.receive(head)
    return task.eventLoop.makeSucceededVoidFuture()
  }

  func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
    attempt.value.receive(buffer, on: task.eventLoop)
  }

  func didFinishRequest(task: HTTPClient.Task<Void>) throws { attempt.value.finish() }

  func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {
    // The client may tell of a failure while the request is being made.
    if task.eventLoop.inEventLoop { attempt.value.fail() } else { task.eventLoop.execute { [attempt] in attempt.value.fail() } }
  }
}
