import NIOCore
import PalanaPolicy
import PalanaSecrets

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
    let tokens = try tokenFilter(head, exchange)
    let masked = exchange.scrubber?.scrub(head) ?? head
    guard head.framing != .none, exchange.scrubber != nil || tokens != nil else { return masked }
    var ready = masked
    if case .compressed(let coding) = try ContentCoding(head) {
      do { ready = try masked.decoded(limits: limits) } catch { throw Refusal(.responseNotReadable, "the response head is too large") }
      exchange.responseFilters.append(DecodingFilter(coding))
      exchange.isResponseResized = true
    }
    if let scrubber = exchange.scrubber { exchange.responseFilters.append(ScrubbingFilter(scrubber)) }
    if let tokens {
      exchange.responseFilters.append(tokens)
      exchange.isResponseResized = true
    }
    return ready
  }

  /// What replaces the tokens in the answer of a token endpoint by placeholders; nil for every other response.
  private func tokenFilter(_ head: ResponseHead, _ exchange: Exchange) throws(Refusal) -> TokenFilter? {
    guard exchange.method == "POST", (200...299).contains(head.status), head.framing != .none,
      let secret = exchange.injection.bindings.first(where: { !$0.tokenDestinations.isEmpty }),
      let authority = exchange.authority, let scheme = exchange.scheme,
      let host = try? HostPattern.parse(authority.host.description)
    else { return nil }
    let type = head.mediaType
    if type?.isJSON != true {
      // The form of some endpoints unless they are asked for JSON.
      guard let type, type.essence != "application/x-www-form-urlencoded" else {
        throw Refusal(.responseNotReadable, "the token endpoint did not answer in JSON: send accept: application/json")
      }
      return nil
    }
    let endpoint = BoundDestination(host: host, port: authority.port, scheme: scheme)
    let (tokens, book, id) = (loop.shared.tokens, loop.shared.learner.book, agent.id)
    return TokenFilter(limit: limits.bodyRewriteBytes) { token in
      let minted = tokens.mint(token, of: secret, agent: id, from: endpoint)
      book.add(minted.binding, minted.value)
      return minted.text
    }
  }

  /// Has the messages of a websocket looked through that the upstream sends.
  func scrubFrames(of exchange: Exchange) {
    guard let scrubber = exchange.scrubber else { return }
    exchange.relayToClient.append(WebsocketScrubber(scrubber.index))
  }
}

extension ResponseHead {
  /// What the contents are (RFC 9110 §8.3); nil when nothing, or nothing clear, is said of it.
  fileprivate var mediaType: MediaType? {
    let stated = fields.fields.filter { fields.equal($0.name, "content-type") }
    return stated.count == 1 ? stated.first.flatMap { MediaType(fields.text($0.value)) } : nil
  }
}
