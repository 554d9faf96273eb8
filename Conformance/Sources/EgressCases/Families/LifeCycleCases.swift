import Foundation

/// What is open when somebody says stop.
enum LifeCycleCases {
  static let all: [EgressCase] = [rotation, stricter, kill, restart]

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
    guard head.hasPrefix("HTTP/1.1 200") else { throw Refused(answer: Answer(head)) }
    return wire
  }

  /// A websocket that says nothing, at the end of the endless stream's host.
  private static func websocket(_ attack: Attack, _ agent: CaseTarget.Agent) async throws -> Wire? {
    guard attack.target.features.contains(.websocket) else { return nil }
    let mark = attack.path + "/websocket"
    try attack.upstream.script(mark, WebsocketCases.server(Heard()))
    let wire = try await attack.tunnel(attack.other, agent: agent)
    try await wire.send(attack.request(mark, host: attack.authority(attack.other), WebsocketCases.handshake))
    let head = try await wire.head()
    guard head.hasPrefix("HTTP/1.1 101") else { throw Refused(answer: Answer(head)) }
    return wire
  }

  /// The status of a new tunnel; 0: the connection was ended, or there is no way to the gateway any more.
  private static func newTunnel(_ attack: Attack, _ agent: CaseTarget.Agent) async -> Int {
    (try? await attack.connect(attack.authority(attack.other), agent: agent).answer.status) ?? 0
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
    guard done.code == 0 else { throw Failed(command: command, done.code, done.output) }
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
    let websocket = try await websocket(attack, b)
    let others = try await stream(attack, attack.target.a)
    try act(actions.kill)
    var left: [String] = []
    for (name, wire) in [
      ("the stream", mine), ("the idle tunnel", idle), ("the handshake", half), ("the websocket", websocket),
    ] {
      guard let wire, await !ends(wire, within: .seconds(2)) else { continue }
      left.append(name)
    }
    let again = await newTunnel(attack, b)
    let othersGoOn = !(try await others.some().isEmpty)
    for wire in [mine, idle, half, websocket, others] { await wire?.close() }
    if !actions.unkill.isEmpty { try act(actions.unkill) }
    guard left.isEmpty else { return .broken("\(left.joined(separator: ", ")) went on") }
    guard again != 200 else { return .broken("a new tunnel was opened") }
    return othersGoOn ? .held : .broken("the other agent's stream ended too")
  }

  private static let rotation = EgressCase(
    .lifeCycle, "rotation",
    "While a secret is rotated, each request carries wholly the old or wholly the new value; then only the new one.",
    isExclusive: true
  ) { attack in
    let actions = attack.target.actions
    let secret = try attack.secret
    guard !actions.rotate.isEmpty, let next = secret.next else { throw Missing("no command rotates the secret") }
    let field = "authorization: Bearer \(secret.placeholder)"
    let statuses = try await withThrowingTaskGroup(of: Set<Int>.self) { group in
      for worker in 0..<4 {
        group.addTask {
          var statuses: Set<Int> = []
          let wire = try await attack.tunnel()
          while !Task.isCancelled {
            try await wire.send(attack.request("\(attack.path)/during/\(worker)", [field]))
            statuses.insert(try await wire.answer().status)
          }
          await wire.close()
          return statuses
        }
      }
      try await Self.command(actions.rotate)
      group.cancelAll()
      var all: Set<Int> = []
      // A request that the cancellation meets half-way has an end of its own.
      while let result = await group.nextResult() { if case .success(let statuses) = result { all.formUnion(statuses) } }
      return all
    }
    var after: [Int] = []
    for _ in 0..<5 { after.append(try await attack.ask(attack.request(attack.path + "/after", [field])).status) }
    try await Self.command(actions.rotateBack)
    for _ in 0..<5 { after.append(try await attack.ask(attack.request(attack.path + "/back", [field])).status) }
    guard statuses.isSubset(of: [200]), after.allSatisfy({ $0 == 200 }) else { return .broken("answered \(statuses), then \(after)") }
    for request in attack.arrived {
      let value = request.values("authorization").joined(separator: ",")
      let allowed =
        if request.target.hasSuffix("/after") { [next] } else if request.target.hasSuffix("/back") { [secret.value] } else {
          [secret.value, next]
        }
      guard allowed.contains(where: { value == "Bearer \($0)" }) else { return .broken("\(request.target) carried another value") }
    }
    return attack.arrived.count >= 10 ? .held : .broken("only \(attack.arrived.count) requests arrived")
  }

  /// Runs a command on a thread of its own, so that what is under way goes on.
  private static func command(_ command: [String]) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      Thread.detachNewThread { continuation.resume(with: Result { try act(command) }) }
    }
  }

  private static let restart = EgressCase(
    .lifeCycle, "kill-outlives-a-restart",
    "Who was cut off before the gateway restarted is cut off after it; the other agent is served again.",
    isExclusive: true
  ) { attack in
    let actions = attack.target.actions
    guard !actions.kill.isEmpty, !actions.restart.isEmpty else { throw Missing("no command restarts the gateway") }
    let b = try attack.b
    try await Self.command(actions.kill)
    try await Self.command(actions.restart)
    let cutOff = await newTunnel(attack, b)
    let other = await newTunnel(attack, attack.target.a)
    if !actions.unkill.isEmpty { try await Self.command(actions.unkill) }
    guard cutOff != 200 else { return .broken("a tunnel was opened") }
    return other == 200 ? .held : .broken("the other agent was answered \(other)")
  }
}

/// A command of the set-up did not do what the case needs.
struct Failed: Error, CustomStringConvertible {
  var description: String

  init(command: [String], _ code: Int32, _ output: String) {
    description = "\(command.joined(separator: " ")) ended with \(code): \(output.suffix(200))"
  }
}
