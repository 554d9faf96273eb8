import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// Credentials in the messages of a websocket.
extension RequestFlow {
  /// From here on text messages of the agent are looked into. Last of all filters: nothing after it may see a value.
  func injectIntoFrames(of exchange: Exchange) {
    exchange.relayToUpstream.append(FrameCredentials(flow: self, exchange: exchange, limit: limits.bodyRewriteBytes))
  }

  /// The gateway stops: a websocket has no end of its own, so the agent is told by the status 1001 (RFC 6455 §7.4.1).
  func goAway() {
    guard let exchange, exchange.isRelay, let client else { return }
    record(exchange, .error, EndReason.gatewayStopped.text)
    closeRelay(exchange, client, status: 1001)
  }

  /// Ends the websocket. The agent is told by the status, 1008 for a refused message (RFC 6455 §7.4.1).
  func closeRelay(_ exchange: Exchange, _ client: any ClientSide, status: UInt16 = 1008) {
    upstream?.abort()
    upstream = nil
    var close = ByteBuffer()
    WebsocketFrame(isLast: true, opcode: 8, length: 2, mask: nil).write(into: &close)
    close.writeInteger(status)
    client.sendContents(close)
    client.flush()
    client.finish(exchange)
  }
}

/// Lets the frames of an agent through ``WebsocketInjector``, and fetches the values that it needs.
private final class FrameCredentials: BodyFilter {
  private weak var flow: RequestFlow?
  private unowned let exchange: Exchange
  private var injector: WebsocketInjector
  /// What came while a value was fetched.
  private var waiting = ByteBuffer()

  init(flow: RequestFlow, exchange: Exchange, limit: Int) {
    self.flow = flow
    self.exchange = exchange
    injector = WebsocketInjector(limit: limit)
  }

  func pass(_ contents: ByteBuffer) throws(Refusal) -> ByteBuffer? {
    waiting.writeImmutableBuffer(contents)
    guard !exchange.isRelayHeld else { return nil }
    return try take()
  }

  func finish() throws(Refusal) -> ByteBuffer? { nil }

  private func take() throws(Refusal) -> ByteBuffer? {
    guard let flow, let authority = exchange.authority, let scheme = exchange.scheme else { return nil }
    var output = ByteBuffer()
    let credentials = CredentialInjector(agent: flow.agent, authority: authority, scheme: scheme)
    while case .needs(let bindings) = try injector.take(&waiting, credentials, into: &output) {
      let source = flow.loop.shared.secrets
      let values = bindings.compactMap { source.cachedValue(of: $0.ref, revision: $0.revision) }
      guard values.count == bindings.count else {
        exchange.isRelayHeld = true
        flow.fetch(bindings, for: exchange) { [self] flow, values in fetched(flow, bindings, values) }
        break
      }
      try supply(bindings, values, flow, into: &output)
    }
    waiting.discardReadBytes()
    return output.readableBytes > 0 ? output : nil
  }

  private func supply(
    _ bindings: [PlaceholderBinding], _ values: [Redacted<String>], _ flow: RequestFlow, into output: inout ByteBuffer
  ) throws(Refusal) {
    for (binding, value) in zip(bindings, values) { flow.loop.shared.learner.book.learn(binding, value) }
    exchange.injection.noteFrames(try injector.supply(values, into: &output))
  }

  private func fetched(_ flow: RequestFlow, _ bindings: [PlaceholderBinding], _ values: [Redacted<String>]?) {
    exchange.isRelayHeld = false
    do throws(Refusal) {
      guard let values else {
        throw Refusal(.secretUnavailable, "a secret of this message cannot be read at this moment")
      }
      var output = ByteBuffer()
      try supply(bindings, values, flow, into: &output)
      if var more = try take() { output.writeBuffer(&more) }
      flow.upstream?.sendContents(output)
      flow.upstream?.flush()
      flow.client?.readOn()
    } catch {
      flow.refuse(exchange, error)
    }
  }
}
