import NIOCore
import PalanaPolicy

/// Where the real values of secrets are looked for: in what the agent sends, and in what comes back.
extension RequestFlow {
  /// Has the contents of the request, or the messages of its websocket, looked through as they pass.
  func watchForLeaks(_ exchange: Exchange) {
    guard exchange.sendElsewhere == nil, exchange.hasBody || exchange.isUpgrade, let stream = loop.leakGuard.stream(for: agent.id) else {
      return
    }
    if exchange.isUpgrade {
      exchange.relayToUpstream.append(WebsocketLeakFilter(stream))
    } else {
      exchange.requestFilters.append(stream)
    }
  }

  /// The head as the agent may see it; what follows it is looked through as well.
  ///
  /// - Throws: ``Refusal`` with the reason `response_not_readable`.
  func scrub(_ head: ResponseHead, _ exchange: Exchange) throws(Refusal) -> ResponseHead {
    guard let scrubber = exchange.scrubber else { return head }
    let masked = scrubber.scrub(head)
    guard head.framing != .none else { return masked }
    var ready = masked
    if case .compressed(let coding) = try ContentCoding(head) {
      do { ready = try masked.decoded(limits: limits) } catch { throw Refusal(.responseNotReadable, "the response head is too large") }
      exchange.responseFilters.append(DecodingFilter(coding))
      exchange.isResponseResized = true
    }
    exchange.responseFilters.append(ScrubbingFilter(scrubber))
    return ready
  }

  /// Has the messages of a websocket looked through that the upstream sends.
  func scrubFrames(of exchange: Exchange) {
    guard let scrubber = exchange.scrubber else { return }
    exchange.relayToClient.append(WebsocketScrubber(scrubber.index))
  }
}
