import NIOCore

/// One connection being opened for all requests of an agent that wait for the same upstream: if it turns out to speak HTTP/2, they
/// share it.
final class SharedDial {
  enum Outcome {
    case connection(UpstreamConnection)
    /// The connection is another's: look again.
    case again
    case failure(UpstreamFailure)
  }

  final class Ticket: PendingDial {
    fileprivate var next: ((Outcome) -> Void)?
    func cancel() { next = nil }
  }

  private let key: UpstreamKey
  private let loop: LoopContext
  private var tickets: [Ticket] = []
  private var dial: UpstreamDial?

  init(key: UpstreamKey, loop: LoopContext) {
    self.key = key
    self.loop = loop
  }

  func join(_ next: @escaping (Outcome) -> Void) -> Ticket {
    let ticket = Ticket()
    ticket.next = next
    tickets.append(ticket)
    return ticket
  }

  func start() {
    let dial = UpstreamDial(key: key, loop: loop) { [self] result in finish(result) }
    self.dial = dial
    dial.start()
  }

  func cancel() {
    dial?.cancel()
    dial = nil
    tickets = []
  }

  private func finish(_ result: Result<UpstreamConnection, UpstreamFailure>) {
    dial = nil
    loop.endDial(key)
    let waiting = tickets.filter { $0.next != nil }
    tickets = []
    switch result {
    case .failure(let failure): for ticket in waiting { ticket.take(.failure(failure)) }
    case .success(let connection) where connection.multiplexed != nil:
      loop.pool.share(connection, now: loop.now)
      for ticket in waiting { ticket.take(connection.hasRoom ? .connection(connection) : .again) }
    case .success(let connection):
      loop.noteHTTP1(key)
      guard let first = waiting.first else { return connection.release() }
      first.take(.connection(connection))
      for ticket in waiting.dropFirst() { ticket.take(.again) }
    }
  }
}

extension SharedDial.Ticket {
  fileprivate func take(_ outcome: SharedDial.Outcome) {
    let next = self.next
    self.next = nil
    next?(outcome)
  }
}
