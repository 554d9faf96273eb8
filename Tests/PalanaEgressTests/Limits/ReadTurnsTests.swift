import NIOCore
import NIOEmbedded
import PalanaCore
import Testing

@testable import PalanaEgress

@Suite struct ReadTurnsTests {
  /// A channel that counts the reads that come through its gate.
  private final class Line {
    final class Catcher: ChannelOutboundHandler {
      typealias OutboundIn = ByteBuffer
      var reads = 0
      func read(context: ChannelHandlerContext) { reads += 1 }
    }

    let channel: EmbeddedChannel
    let catcher = Catcher()

    init(_ loop: EmbeddedEventLoop, _ turns: ReadTurns, _ agent: AgentID, _ meter: AgentMeter) throws {
      channel = EmbeddedChannel(loop: loop)
      try channel.pipeline.syncOperations.addHandler(catcher)
      try channel.pipeline.syncOperations.addReadGate(turns, agent, meter)
    }

    var reads: Int { catcher.reads }
    func read() { channel.pipeline.read() }
    func receive(_ count: Int) throws { try channel.writeInbound(ByteBuffer(repeating: 0, count: count)) }
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

  private func total(_ lines: [Line]) -> Int { lines.reduce(0) { $0 + $1.reads } }

  @Test func whoIsAloneReadsAsItLikes() throws {
    let world = try World()
    let lines = try world.lines(100, world.a)
    for line in lines { line.read() }
    #expect(total(lines) == 100)
  }

  /// A hundred busy connections get as many reads as one may have before the other's only connection has its own.
  @Test func anotherAgentsReadDoesNotWaitForAHundred() throws {
    let world = try World()
    let many = try world.lines(100, world.a)
    let one = try world.lines(1, world.b)
    one[0].read()
    many[0].read()
    world.turns.tick(world.loop.now)
    for line in many { line.read() }
    #expect(total(many) == 1 + 8)
    one[0].read()
    #expect(one[0].reads == 2)
    // Each round lets as many read again, until everybody has read.
    for round in 2...13 {
      world.loop.advanceTime(by: .microseconds(20))
      #expect(total(many) == 1 + min(100, 8 * round))
      one[0].read()
      #expect(one[0].reads == 1 + round)
    }
    #expect(many.allSatisfy { $0.reads >= 1 })
  }

  /// Over HTTP/2 one read may bring a hundred requests: then it is a whole turn.
  @Test func readsThatBringMuchAreFewer() throws {
    let world = try World()
    let many = try world.lines(100, world.a)
    let one = try world.lines(1, world.b)
    one[0].read()
    many[0].read()
    world.turns.tick(world.loop.now)
    for line in many { line.read() }
    #expect(total(many) == 1 + 8)
    for _ in 0..<(8 * 64) { world.turns.worked(world.a) }
    for round in 1...3 {
      world.loop.advanceTime(by: .microseconds(20))
      #expect(total(many) == 1 + 8 + round)
      for _ in 0..<64 { world.turns.worked(world.a) }
    }
    // With little in each read it has as many again; what it costs the other is nobody's but its own.
    world.loop.advanceTime(by: .microseconds(20))
    #expect(total(many) == 1 + 8 + 4)
    world.turns.worked(world.a)
    world.loop.advanceTime(by: .microseconds(20))
    #expect(total(many) == 1 + 8 + 4 + 8)
    one[0].read()
    #expect(one[0].reads == 2)
  }

  @Test func theTurnsEndWhenTheOtherIsSilent() throws {
    let world = try World()
    let many = try world.lines(20, world.a)
    try world.lines(1, world.b)[0].read()
    many[0].read()
    world.loop.advanceTime(by: .seconds(3))
    many[0].read()
    world.turns.tick(world.loop.now)
    for line in many { line.read() }
    #expect(total(many) == 2 + 20)
  }

  /// A connection that closes while it waits leaves its place to the next.
  @Test func closedConnectionsDoNotHoldTheTurn() throws {
    let world = try World()
    var many = try world.lines(16, world.a)
    let one = try world.lines(1, world.b)
    one[0].read()
    many[0].read()
    world.turns.tick(world.loop.now)
    for line in many { line.read() }
    for line in many.suffix(4) { line.channel.close(promise: nil) }
    world.loop.run()
    many.removeLast(4)
    world.loop.advanceTime(by: .microseconds(20))
    #expect(many.allSatisfy { $0.reads >= 1 })
  }

  @Test func aRateOfBytesHoldsReads() throws {
    let world = try World(bytesPerSecond: 1000)
    let meter = AgentMeter()
    let lines = try world.lines(2, world.a, meter)
    let other = try world.lines(1, world.b)
    lines[0].read()
    try lines[0].receive(3000)
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
