import Glibc

/// Runs many exchanges on the thread that calls it, and no other: only this thread is in the agent's network.
///
/// They start one after the other at a pace that is far below every limit of the gateway on one agent, so that what is
/// seen is its judgement and not its brake.
struct ExchangeLoop {
  /// Between two starts: forty a second, where refusals slow down at a hundred.
  var pace: Duration = .milliseconds(25)
  /// Exchanges at once.
  var width = 24
  var patience = Exchange.Patience()

  /// - Parameter report: gets the index of a probe with what was seen of it, in the order in which they end.
  func run(_ probes: [Probe], _ report: (Int, Observation) throws -> Void) rethrows {
    var waiting = probes.enumerated().makeIterator()
    var next = waiting.next()
    var open: [(index: Int, exchange: Exchange)] = []
    var start = ContinuousClock.now
    defer { for one in open { close(one.exchange.descriptor) } }
    while next != nil || !open.isEmpty {
      if let (index, probe) = next, open.count < width, start <= .now {
        next = waiting.next()
        start = max(start + pace, .now)
        let (exchange, observation) = Exchange.begin(probe, patience)
        if let exchange { open.append((index, exchange)) }
        if let observation { try report(index, observation) }
        continue
      }
      let ready = wait(open, next != nil && open.count < width ? start : nil)
      for position in open.indices.reversed() {
        let end = ready.contains(open[position].exchange.descriptor) ? open[position].exchange.advance() : nil
        guard let end = end ?? (open[position].exchange.deadline <= .now ? open[position].exchange.expire() : nil) else { continue }
        let done = open.remove(at: position)
        close(done.exchange.descriptor)
        try report(done.index, end)
      }
    }
  }

  /// Waits until something can be done, or it is time for something.
  /// - Returns: the descriptors that are ready.
  private func wait(_ open: [(index: Int, exchange: Exchange)], _ start: ContinuousClock.Instant?) -> Set<Int32> {
    let until = ([start] + open.map { $0.exchange.deadline }).compactMap { $0 }.min() ?? .now
    let left = until - .now
    // Rounded up: a wait that ends a moment early would spin.
    let milliseconds = max(0, left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000 + 1)
    var entries = open.map { pollfd(fd: $0.exchange.descriptor, events: $0.exchange.events, revents: 0) }
    guard unsafe poll(&entries, nfds_t(entries.count), Int32(clamping: milliseconds)) > 0 else { return [] }
    return Set(entries.filter { $0.revents != 0 }.map(\.fd))
  }
}
