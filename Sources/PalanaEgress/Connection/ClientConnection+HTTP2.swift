import NIOCore
import NIOHPACK
import NIOHTTP2
import PalanaPolicy

/// HTTP/2 inside a tunnel, when the client chose it in the TLS handshake. Each stream is a request of its own.
extension ClientConnection: HTTP2Owner {
  func startHTTP2() {
    guard let context else { return }
    phase = .multiplexed
    deadline = loop.now + TimeAmount(limits.idleTimeout)
    let connection = HTTP2Connection(owner: self, limits: limits.http2)
    multiplexed = connection
    do {
      try context.pipeline.syncOperations.addHandlers(
        HTTP2Bounds.handlers(.server, limits: limits, connection: connection), position: .before(self))
    } catch {
      end(.clientAborted)
      context.close(promise: nil)
    }
  }

  func accept(_ headers: HPACKHeaders, _ id: HTTP2StreamID, endsStream: Bool, on connection: HTTP2Connection) {
    loop.turns.worked(agent.id)
    let flow = RequestFlow(agent: agent, source: self.flow.source, loop: loop)
    flow.tunnel = tunnel
    flow.spareFields = self.flow.spareFields
    self.flow.spareFields = []
    let stream = HTTP2ClientStream(id: id, connection: connection, flow: flow)
    connection.add(stream)
    stream.open(headers, endsStream: endsStream)
    self.flow.spareFields = flow.spareFields
    flow.spareFields = []
  }

  func streamClosed(_ connection: HTTP2Connection) {
    guard connection.streams.isEmpty else { return }
    deadline = loop.now + TimeAmount(limits.idleTimeout)
    guard loop.isStopping, let context else { return }
    // Behind what is about to be flushed.
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.eventLoop.execute { bound.value.close(promise: nil) }
  }

  func settingsChanged(_ connection: HTTP2Connection) {}
  func goesAway(_ connection: HTTP2Connection) {}
  func readComplete(_ connection: HTTP2Connection) {}

  func checkStreams(_ now: NIODeadline) {
    guard let multiplexed else { return }
    if multiplexed.streams.isEmpty {
      guard deadline <= now else { return }
      multiplexed.goAway()
      context?.close(promise: nil)
    } else {
      for case let stream as HTTP2ClientStream in Array(multiplexed.streams.values) { stream.checkDeadline(now) }
    }
  }

  /// The same agent in a new state, for every request that is under way.
  func adopt(_ next: EgressAgent) {
    flow.adopt(next)
    guard let multiplexed else { return }
    for case let stream as HTTP2ClientStream in Array(multiplexed.streams.values) { stream.flow.adopt(next) }
  }

  /// Bytes that wait on the way to upstreams.
  var streamsUpstreamBytes: Int {
    multiplexed?.streams.values.reduce(0) { $0 + (($1 as? HTTP2ClientStream)?.flow.upstream?.bufferedBytes ?? 0) } ?? 0
  }

  func endStreams(_ reason: EndReason) {
    multiplexed?.end { ($0 as? HTTP2ClientStream)?.end(reason) }
  }
}
