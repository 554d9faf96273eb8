import NIOCore
import NIOEmbedded
import PalanaCore
import Testing

@testable import PalanaEgress

@Suite struct ReadTurnsTests {
  /// A channel with what comes through its gate.
  private final class Line {
    final class Catcher: ChannelOutboundHandler {
      typealias OutboundIn = ByteBuffer
      var reads = 0
      func read(context: ChannelHandlerContext) { reads += 1 }
    }

    final class Receiver: ChannelInboundHandler {
      typealias InboundIn = ByteBuffer
      var bytes: [UInt8] = []
      var turns = 0
      var isClosed = false
      var whenRead: () -> Void = {}
      func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytes += unwrapInboundIn(data).readableBytesView
        whenRead()
      }
      func channelReadComplete(context: ChannelHandlerContext) { turns += 1 }
      func channelInactive(context: ChannelHandlerContext) { isClosed = true }
    }

    let channel: EmbeddedChannel
    let catcher = Catcher()
    let receiver = Receiver()

    init(_ loop: EmbeddedEventLoop, _ turns: ReadTurns, _ agent: AgentID, _ meter: AgentMeter) throws {
      channel = EmbeddedChannel(loop: loop)
      try channel.pipeline.syncOperations.addHandler(catcher)
      try channel.pipeline.syncOperations.addReadGate(turns, agent, meter)
      try channel.pipeline.syncOperations.addHandler(receiver)
    }

    /// How often something was dealt with.
    var turns: Int { receiver.turns }
    /// How often the network was read.
    var reads: Int { catcher.reads }
    func read() { channel.pipeline.read() }
    /// The socket was ready and brought this.
    func receive(_ count: Int = 1) { receive([UInt8](repeating: 0, count: count)) }
    func receive(_ pieces: [UInt8]...) {
      for piece in pieces { channel.pipeline.fireChannelRead(ByteBuffer(bytes: piece)) }
      channel.pipeline.fireChannelReadComplete()
    }
  }

  private struct World {
    let loop = EmbeddedEventLoop()
    let turns: ReadTurns
    let a: AgentID
    let b: AgentID

    init(bytesPerSecond: Int = 0) throws {
      turns = ReadTurns(eventLoop: loop, bytesPerSecond: bytesPerSecond)
      a = AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("a"))
      b = AgentID(owner: try UserIdentity("alice@example.com"), name: try ResourceName("b"))
      loop.advanceTime(by: .seconds(100))
      turns.tick(loop.now)
    }

    func lines(_ count: Int, _ agent: AgentID, _ meter: AgentMeter = AgentMeter()) throws -> [Line] {
      try (0..<count).map { _ in try Line(loop, turns, agent, meter) }
    }
  }

  private func total(_ lines: [Line]) -> Int { lines.reduce(0) { $0 + $1.turns } }

  /// Both agents are active, and the first has used up its turn: one line of each has received once.
  private func contended(_ world: World, _ count: Int) throws -> (many: [Line], one: Line) {
    let (many, one) = (try world.lines(count, world.a), try world.lines(1, world.b)[0])
    one.receive()
    many[0].receive()
    world.turns.tick(world.loop.now)
    for line in many { line.receive() }
    return (many, one)
  }

  @Test func whoIsAloneIsDealtWithAtOnce() throws {
    let world = try World()
    let lines = try world.lines(100, world.a)
    for line in lines { line.receive() }
    #expect(total(lines) == 100)
  }

  /// A hundred sockets that are ready at once get as many turns as one agent may have before the other's only one has its own.
  @Test func anotherAgentDoesNotWaitForAHundred() throws {
    let world = try World()
    let (many, one) = try contended(world, 100)
    #expect(total(many) == 1 + 8)
    one.receive()
    #expect(one.turns == 2)
    // Each round deals with as many again, until everybody was dealt with.
    for round in 2...13 {
      world.loop.advanceTime(by: .microseconds(20))
      #expect(total(many) == 1 + min(100, 8 * round))
      one.receive()
      #expect(one.turns == 1 + round)
    }
    #expect(many.allSatisfy { $0.turns >= 1 })
  }

  /// Over HTTP/2 one read may bring a hundred requests: then the next rounds are the others' alone.
  @Test func readsThatBringMuchAreFewer() throws {
    let world = try World()
    let (many, one) = try contended(world, 100)
    #expect(total(many) == 1 + 8)
    world.loop.advanceTime(by: .microseconds(20))
    #expect(total(many) == 1 + 16)
    for _ in 0..<64 { world.turns.worked(world.a) }
    for _ in 1...7 {
      world.loop.advanceTime(by: .microseconds(20))
      one.receive()
      #expect(total(many) == 1 + 16)
    }
    #expect(one.turns == 1 + 7)
    world.loop.advanceTime(by: .microseconds(20))
    #expect(total(many) == 1 + 24)
    // However much it was, it is paid for at some time.
    for _ in 0..<100_000 { world.turns.worked(world.a) }
    world.loop.advanceTime(by: .microseconds(20 * 31))
    #expect(total(many) == 1 + 24)
    world.loop.advanceTime(by: .microseconds(20))
    #expect(total(many) == 1 + 32)
  }

  /// Work within a turn ends it: the reads that are left are the next one's.
  @Test func aTurnEndsWithItsWork() throws {
    let world = try World()
    let (many, _) = try contended(world, 100)
    let busy = many[8...].map(\.receiver)
    for receiver in busy { receiver.whenRead = { for _ in 0..<3 { world.turns.worked(world.a) } } }
    world.loop.advanceTime(by: .microseconds(20))
    #expect(total(many) == 1 + 8 + 3)
  }

  /// Bytes are work too: two full reads of a body are a turn.
  @Test func bodiesAreWork() throws {
    let world = try World()
    let (many, one) = try contended(world, 8)
    let bodies = try world.lines(9, world.a)
    for line in bodies { line.receive(65_536) }
    for round in 1...3 {
      world.loop.advanceTime(by: .microseconds(20))
      one.receive()
      #expect(total(bodies) == 2 * round && one.turns == 1 + round)
    }
    #expect(total(many) == 1 + 8)
  }

  /// Who waits for its rate of bytes, which may take long, holds up nobody who waits for a turn.
  @Test func aTurnDoesNotWaitForARate() throws {
    let world = try World(bytesPerSecond: 1 << 20)
    let slow = try world.lines(1, world.b)[0]
    let many = try world.lines(20, world.a)
    slow.read()
    slow.receive(2 << 20)
    slow.read()
    many[0].receive()
    world.turns.tick(world.loop.now)
    for line in many { line.receive() }
    #expect(total(many) == 1 + 8 && slow.reads == 1)
    world.loop.advanceTime(by: .microseconds(20))
    #expect(total(many) == 1 + 16)
  }

  @Test func theTurnsEndWhenTheOtherIsSilent() throws {
    let world = try World()
    let many = try world.lines(20, world.a)
    try world.lines(1, world.b)[0].receive()
    many[0].receive()
    world.loop.advanceTime(by: .seconds(3))
    many[0].receive()
    world.turns.tick(world.loop.now)
    for line in many { line.receive() }
    #expect(total(many) == 2 + 20)
  }

  /// Who waits reads no more, and is given everything in order when its turn comes.
  @Test func whatWaitsStaysWholeAndInOrder() throws {
    let world = try World()
    let (many, _) = try contended(world, 12)
    let line = many[11]
    line.receive([1], [2, 3])
    line.receive([4])
    line.read()
    #expect(line.turns == 0 && line.reads == 0)
    world.loop.advanceTime(by: .microseconds(20))
    #expect(line.receiver.bytes == [0, 1, 2, 3, 4] && line.turns == 1 && line.reads == 1)
    line.read()
    #expect(line.reads == 2)
  }

  /// The other side may close while what it sent waits: that is dealt with before the end. Who closes here wants nothing any more.
  @Test func anEndComesAfterWhatWasSent() throws {
    let world = try World()
    let (many, _) = try contended(world, 12)
    many[11].channel.pipeline.fireChannelInactive()
    #expect(many[11].turns == 1 && many[11].receiver.isClosed)
    many[10].channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    #expect(many[10].turns == 1)
    many[9].channel.close(promise: nil)
    world.loop.run()
    #expect(many[9].turns == 0)
    world.loop.advanceTime(by: .milliseconds(1))
    #expect(many[9].turns == 0 && many[10].turns == 1 && many[11].turns == 1)
  }

  /// A connection that closes while it waits leaves its place to the next.
  @Test func closedConnectionsDoNotHoldTheTurn() throws {
    let world = try World()
    var (many, _) = try contended(world, 20)
    for line in many[8..<16] { line.channel.close(promise: nil) }
    world.loop.run()
    many.removeSubrange(8..<16)
    world.loop.advanceTime(by: .microseconds(20))
    #expect(many.allSatisfy { $0.turns >= 1 })
  }

  /// What waits has a bound: over it reads are dealt with as they come.
  @Test func whatWaitsIsBounded() throws {
    let world = try World()
    let (many, _) = try contended(world, 8)
    let more = try world.lines(300, world.a)
    for line in more { line.receive(65_536) }
    // 16 MiB wait.
    #expect(total(more) == 300 - 256)
    for line in more[..<128] { line.channel.close(promise: nil) }
    world.loop.run()
    for line in many { line.receive(65_536) }
    #expect(total(many) == 1 + 8)
  }

  @Test func aRateOfBytesHoldsReads() throws {
    let world = try World(bytesPerSecond: 1000)
    let meter = AgentMeter()
    let lines = try world.lines(2, world.a, meter)
    let other = try world.lines(1, world.b)
    lines[0].read()
    lines[0].receive(3000)
    // A second's worth was saved up: two seconds are too many.
    for line in lines { line.read() }
    #expect(lines[0].reads == 1 && lines[1].reads == 0)
    other[0].read()
    #expect(other[0].reads == 1)
    world.loop.advanceTime(by: .milliseconds(1900))
    #expect(lines[1].reads == 0)
    world.loop.advanceTime(by: .milliseconds(200))
    #expect(lines[0].reads == 2 && lines[1].reads == 1)
  }
}
