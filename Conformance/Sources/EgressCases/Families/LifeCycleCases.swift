/// What is open when somebody says stop.
enum LifeCycleCases {
  static let all: [EgressCase] = [stricter, kill]

  /// A stream that goes on until somebody ends it.
  private static let endless: CaseUpstream.Script = { wire, _ in
    try await wire.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
    while !Task.isCancelled {
      try await wire.send("data: tick\n\n")
      try await Task.sleep(for: .milliseconds(20))
    }
    return false
  }

  private static func stream(_ attack: Attack, _ agent: CaseTarget.Agent) async throws -> Wire {
    let wire = try await attack.tunnel(attack.other, agent: agent)
    try await wire.send(attack.request(attack.path + "/" + agent.name, host: attack.authority(attack.other)))
    let head = try await wire.head()
    guard head.hasPrefix("HTTP/1.1 200") else { throw Missing("the stream did not start: \(head.prefix(60))") }
    return wire
  }

  /// Waits for the end of a stream.
  private static func ends(_ wire: Wire, within limit: Duration) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        _ = try? await wire.rest()
        return !Task.isCancelled
      }
      group.addTask {
        try? await Task.sleep(for: limit)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }

  private static func act(_ command: [String]) throws {
    let done = try Program.run(command)
    guard done.code == 0 else { throw Missing("a command of the set-up ended with \(done.code): \(done.output.prefix(200))") }
  }

  private static let stricter = EgressCase(
    .lifeCycle, "stricter-policy", "A stream that a new rule forbids ends; the other agent's goes on.", isExclusive: true
  ) { attack in
    let actions = attack.target.actions
    guard !actions.deny.isEmpty else { throw Missing("no command changes the rules") }
    try attack.upstream.script(attack.mark, endless)
    let mine = try await stream(attack, attack.b)
    let others = try await stream(attack, attack.target.a)
    try act(actions.deny)
    let ended = await ends(mine, within: .seconds(2))
    let again = try await attack.connect(attack.authority(attack.other), agent: attack.b).answer
    let othersGoOn = !(try await others.some().isEmpty)
    await mine.close()
    await others.close()
    try act(actions.permit)
    guard ended else { return .broken("the stream went on") }
    guard again.status >= 400 else { return .broken("a new tunnel was opened") }
    return othersGoOn ? .held : .broken("the other agent's stream ended too")
  }

  private static let kill = EgressCase(
    .lifeCycle, "kill", "A kill ends the agent's streams, tunnels and handshakes; nothing new starts; the other agent's go on.",
    isExclusive: true
  ) { attack in
    let actions = attack.target.actions
    guard !actions.kill.isEmpty else { throw Missing("no command kills the agent") }
    try attack.upstream.script(attack.mark, endless)
    let b = try attack.b
    let mine = try await stream(attack, b)
    let idle = try await attack.connect(attack.authority(attack.other), agent: b).wire
    let half = try await attack.connect(attack.authority(attack.other), agent: b).wire
    try await half.send([22, 3, 1])
    let others = try await stream(attack, attack.target.a)
    try act(actions.kill)
    var left: [String] = []
    for (name, wire) in [("the stream", mine), ("the idle tunnel", idle), ("the handshake", half)]
    where await !ends(wire, within: .seconds(2)) {
      left.append(name)
    }
    let again = (try? await attack.connect(attack.authority(attack.other), agent: b).answer.status) ?? 0
    let othersGoOn = !(try await others.some().isEmpty)
    for wire in [mine, idle, half, others] { await wire.close() }
    if !actions.unkill.isEmpty { try act(actions.unkill) }
    guard left.isEmpty else { return .broken("\(left.joined(separator: ", ")) went on") }
    guard again != 200 else { return .broken("a new tunnel was opened") }
    return othersGoOn ? .held : .broken("the other agent's stream ended too")
  }
}
