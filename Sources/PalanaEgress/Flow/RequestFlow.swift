import NIOCore
import PalanaAudit
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// The way of one request, whatever protocol it came by: checked, decided, given its credentials, sent, answered, written down.
///
/// An HTTP/1.1 connection uses one flow for all of its requests, one after the other; an HTTP/2 stream has its own. Everything
/// runs on the event loop of the connection. The extensions are one file for each part of the way.
///
/// Where further parts take hold, all of them properties of the ``Exchange``:
/// - ``Exchange/holdsBody`` and ``Exchange/bodyRewriter``: a body that is held whole and rewritten before it is sent.
/// - ``Exchange/requestFilters``: look at request contents as they pass, and may refuse.
/// - ``Exchange/scrubber``, ``Exchange/responseFilters``, ``Exchange/isResponseResized``: change response contents.
/// - ``Exchange/relayToUpstream``, ``Exchange/relayToClient``: change the bytes of a websocket.
/// - trailers pass through ``requestEnded(trailers:)`` and ``upstreamEnded(_:trailers:)`` as fields.
final class RequestFlow {
  let loop: LoopContext
  let source: AuditEvent.Source
  var agent: EgressAgent
  /// Nil once the other side is gone.
  var client: (any ClientSide)?
  var tunnel: Tunnel?
  var exchange: Exchange?
  var upstream: (any UpstreamSide)?
  var dial: (any PendingDial)?
  /// Storage of the last request's fields, to be used again.
  var spareFields: [HeadField] = []

  init(agent: EgressAgent, source: AuditEvent.Source, loop: LoopContext) {
    self.agent = agent
    self.source = source
    self.loop = loop
  }

  var limits: EgressLimits { loop.shared.limits }
  lazy var meter = loop.shared.meters.meter(of: agent.id)

  func makeExchange(_ action: String = "request") -> Exchange {
    let exchange = Exchange(id: loop.ids.next(), time: loop.shared.clock.now(), started: .now(), agent: agent)
    exchange.action = action
    return exchange
  }

  /// Whether contents of the request have somewhere to go.
  var takesContents: Bool {
    guard let exchange, !exchange.isRecorded, !exchange.isRequestWhole else { return false }
    return exchange.isCollecting || exchange.wentUpstream && upstream != nil
  }

  /// Whether more contents may be read from the client.
  var wantsContents: Bool {
    guard let exchange else { return false }
    return exchange.isCollecting || !exchange.isRelayHeld && (upstream?.isWritable ?? false)
  }

  /// The same agent in a new state. A request under way is judged again.
  func adopt(_ next: EgressAgent) {
    let changed = next !== agent
    agent = next
    guard changed, hasItsCredentials(next) else { return }
    judgeAgain()
  }

  /// A request that carries a value which the agent no longer has there ends; another value of the same secret changes nothing.
  private func hasItsCredentials(_ next: EgressAgent) -> Bool {
    guard let exchange, !exchange.isRecorded, exchange.wentUpstream, let authority = exchange.authority else { return true }
    for used in exchange.injection.bindings {
      let isLeft = next.bindings.contains { binding in
        binding.placeholder == used.placeholder && binding.ref == used.ref
          && binding.destinations.contains { $0.scheme == exchange.scheme && $0.port == authority.port && $0.host.matches(authority.host) }
      }
      guard isLeft else {
        client?.cut(.policyChanged(.secretNotBound))
        return false
      }
    }
    return true
  }
}
