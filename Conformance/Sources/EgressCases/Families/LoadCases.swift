import NIOCore

/// What one agent takes up, the others still have.
enum LoadCases {
  static let all: [EgressCase] = [idle, halfOpen]

  private static let count = 2000

  /// Opens connections of B, sends `text` on each and returns them with those that a tunnel was opened on.
  private static func open(_ attack: Attack, _ text: String) async throws -> [Wire] {
    let b = try attack.b
    var wires: [Wire] = []
    for _ in 0..<min(count, 2 * (attack.target.connectionLimit ?? count)) {
      let wire = try await attack.open(b)
      do { try await wire.send(text) } catch  where Attack.isEnd(error) {}
      wires.append(wire)
    }
    return wires
  }

  /// The slowest of twenty requests of A, each on a tunnel of its own.
  private static func slowest(_ attack: Attack) async throws -> Duration {
    var slowest = Duration.zero
    for number in 0..<20 {
      let start = ContinuousClock.now
      let answer = try await attack.ask(attack.request("\(attack.path)/\(number)"))
      guard answer.status == 200 else { throw Refused(answer: answer) }
      slowest = max(slowest, ContinuousClock.now - start)
    }
    return slowest
  }

  private static func close(_ wires: [Wire]) async { for wire in wires { await wire.close() } }

  private static let idle = EgressCase(
    .load, "idle-tunnels", "Of 2,000 idle tunnels of an agent so many stand as its limit allows, and the others' requests go on.",
    isExclusive: true
  ) { attack in
    guard let limit = attack.target.connectionLimit else { throw Missing("the limit of connections of an agent is not known") }
    let wires = try await open(attack, attack.connectHead(attack.authority(attack.other), agent: try attack.b))
    var opened = 0
    for wire in wires {
      do { if Answer(try await wire.head()).status == 200 { opened += 1 } } catch  where Attack.isEnd(error) {}
    }
    let slowest = try await slowest(attack)
    await close(wires)
    guard opened <= limit else { return .broken("\(opened) tunnels were opened") }
    guard opened >= limit / 2 else { return .broken("only \(opened) tunnels were opened") }
    guard slowest < .seconds(5) else { return .broken("a request of the other agent took \(slowest)") }
    return try await opensAgain(attack)
  }

  private static let halfOpen = EgressCase(
    .load, "half-sent-heads", "2,000 connections with half a head are bounded as well.", isExclusive: true
  ) { attack in
    guard attack.target.connectionLimit != nil else { throw Missing("the limit of connections of an agent is not known") }
    let wires = try await open(attack, "CONNECT \(attack.authority(attack.other)) HTTP/1.1\r\nhost: ")
    let slowest = try await slowest(attack)
    await close(wires)
    guard slowest < .seconds(5) else { return .broken("a request of the other agent took \(slowest)") }
    return try await opensAgain(attack)
  }

  /// What was closed is free again.
  private static func opensAgain(_ attack: Attack) async throws -> Verdict {
    for _ in 0..<50 {
      do {
        let (wire, answer) = try await attack.connect(attack.authority(attack.other), agent: attack.b)
        await wire.close()
        if answer.status == 200 { return .held }
      } catch  where Attack.isEnd(error) {}
      try await Task.sleep(for: .milliseconds(100))
    }
    return .broken("the agent gets no tunnel after it has closed all")
  }
}
