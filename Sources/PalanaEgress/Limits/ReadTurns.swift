import DequeModule
import NIOCore
import PalanaCore

/// Shares one event loop among agents: while several are active, a few reads of each are dealt with, then the others' turn has come.
///
/// Everything that the gateway does begins with a read. The socket is read when the kernel says so, which costs little, because many
/// sockets may be ready in one turn of the loop; what was read then waits in its ``ReadGate`` for the agent's turn. Without it a thousand
/// busy connections of one agent would stand before another's only request. Only touched on its loop.
final class ReadTurns {
  /// One agent on this event loop.
  final class Share {
    let id: AgentID
    let meter: AgentMeter
    fileprivate var connections = 0
    /// Reads of this round that were dealt with.
    fileprivate var used = 0
    /// Requests and answers that they brought, and what earlier rounds had too many.
    fileprivate var work = 0
    fileprivate var round: UInt64 = 0
    fileprivate var waiting: Deque<Waiter> = []
    fileprivate var heldUntil = NIODeadline.uptimeNanoseconds(0)
    fileprivate var lastRead = NIODeadline.uptimeNanoseconds(0)

    fileprivate init(id: AgentID, meter: AgentMeter) {
      self.id = id
      self.meter = meter
    }
  }

  fileprivate struct Waiter { weak var gate: ReadGate? }

  /// Reads of one agent before the others' turn comes. Each takes some ten to some hundred microseconds of the loop.
  private static let mostReads = 8
  /// Requests and answers, and bytes. Over HTTP/2 one read may bring a hundred: then the next rounds are the others' alone.
  private static let mostWork = 8
  /// So many bytes of a body take as long as a request.
  private static let bytesOfWork = 1 << 14
  /// What is carried over into the next rounds.
  private static let mostDebt = 256
  /// How long an agent counts as active after it has read.
  private static let memory: TimeAmount = .seconds(2)
  /// What may wait in all gates of the loop; over it reads are dealt with as they come.
  private static let mostHeld = 16 << 20
  /// Until the next turn: long enough for the loop to look at every other connection.
  private static let pause: TimeAmount = .microseconds(20)

  private let eventLoop: any EventLoop
  private let bytesPerSecond: Int
  private var shares: [AgentID: Share] = [:]
  private var round: UInt64 = 1
  private var scheduled: (at: NIODeadline, task: Scheduled<Void>)?
  private var isContended = false
  private var now = NIODeadline.now()
  private var heldBytes = 0

  init(eventLoop: any EventLoop, bytesPerSecond: Int) {
    self.eventLoop = eventLoop
    self.bytesPerSecond = bytesPerSecond
  }

  /// Whether bytes have to be counted.
  var countsBytes: Bool { bytesPerSecond > 0 }

  // MARK: Connections

  func join(_ id: AgentID, _ meter: AgentMeter) -> Share {
    let share = shares[id] ?? Share(id: id, meter: meter)
    shares[id] = share
    share.connections += 1
    return share
  }

  func leave(_ share: Share) {
    share.connections -= 1
    if share.lastRead > .uptimeNanoseconds(0) { share.meter.touch(share.lastRead) }
    if share.connections == 0 { shares[share.id] = nil }
  }

  /// Called at every tick of the loop.
  func tick(_ now: NIODeadline) {
    for share in shares.values where share.lastRead == self.now { share.meter.touch(share.lastRead) }
    self.now = now
    isContended = shares.values.lazy.filter { $0.lastRead + Self.memory > now }.prefix(2).reduce(0) { sum, _ in sum + 1 } > 1
  }

  /// A request of an agent was begun, or one of its answers came, or something that takes as long as `count` of these.
  func worked(_ id: AgentID, _ count: Int = 1) {
    guard isContended else { return }
    shares[id]?.work += count
  }

  /// A TLS handshake with a client, in requests.
  static let handshake = 8

  private func begin(_ share: Share) {
    guard share.round != round else { return }
    let passed = round - share.round
    share.round = round
    share.used = 0
    share.work = min(share.work, Self.mostDebt)
    share.work = passed >= UInt64(Self.mostDebt) ? 0 : max(0, share.work - Self.mostWork * Int(passed))
  }

  private func isOver(_ share: Share) -> Bool { share.used >= Self.mostReads || share.work >= Self.mostWork }

  // MARK: Reading

  /// Whether `gate` may read now; if not, it is called when it may.
  func mayRead(_ share: Share, _ gate: ReadGate) -> Bool {
    guard bytesPerSecond > 0, share.heldUntil > eventLoop.now else { return true }
    wait(share, gate, share.heldUntil - eventLoop.now)
    return false
  }

  /// Whether what `gate` has read may be dealt with now; if not, it is called when it may.
  /// - Parameter bytes: that would have to wait.
  func mayDeliver(_ share: Share, _ gate: ReadGate, _ bytes: Int) -> Bool {
    share.lastRead = now
    guard isContended, heldBytes + bytes <= Self.mostHeld else { return true }
    begin(share)
    guard isOver(share) else {
      share.used += 1
      share.work += bytes / Self.bytesOfWork
      return true
    }
    wait(share, gate, Self.pause)
    return false
  }

  private func wait(_ share: Share, _ gate: ReadGate, _ time: TimeAmount) {
    share.waiting.append(Waiter(gate: gate))
    schedule(after: time)
  }

  /// Bytes that wait in a gate.
  func hold(_ bytes: Int) { heldBytes += bytes }

  /// They wait no longer.
  func release(_ bytes: Int) { heldBytes -= bytes }

  /// Notes what was read, where a rate of bytes is kept.
  func didRead(_ share: Share, _ count: Int) {
    let now = eventLoop.now
    let wait = share.meter.read(count, perSecond: bytesPerSecond, now: now)
    if wait > .zero { share.heldUntil = now + wait }
  }

  private func schedule(after delay: TimeAmount) {
    let time = eventLoop.now + min(delay, .milliseconds(100))
    if let scheduled {
      guard time < scheduled.at else { return }
      scheduled.task.cancel()
    }
    scheduled = (time, eventLoop.assumeIsolated().scheduleTask(deadline: time) { [weak self] in self?.turn() })
  }

  /// The next round: everybody who waits gets what one may have.
  private func turn() {
    scheduled = nil
    round &+= 1
    var next: TimeAmount?
    let now = eventLoop.now
    for share in shares.values where !share.waiting.isEmpty {
      if share.heldUntil > now {
        next = min(next ?? .hours(1), share.heldUntil - now)
        continue
      }
      begin(share)
      while !isOver(share), let waiter = share.waiting.popFirst() {
        guard let gate = waiter.gate else { continue }
        share.used += 1
        share.work += gate.heldBytes / Self.bytesOfWork
        gate.proceed()
      }
      if !share.waiting.isEmpty { next = min(next ?? .hours(1), Self.pause) }
    }
    if let next { schedule(after: next) }
  }
}
