/// Websockets: the handshake is a request like others, and frames are no way around what holds for bodies.
enum WebsocketCases {
  static let all: [EgressCase] = [passes, credential, credentialElsewhere, frameIsInert, framePlace, closedPath, echo, leak, otherProtocol]

  // The pair of RFC 6455 §1.3.
  private static let key = "dGhlIHNhbXBsZSBub25jZQ=="
  private static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

  static let handshake = ["connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: \(key)"]

  /// A text frame of less than 126 bytes (RFC 6455 §5.2). The mask of a client is zero, so that the text can be seen.
  static func frame(_ text: String, masked: Bool) -> [UInt8] {
    let bytes = Array(text.utf8.prefix(125))
    return [0x81, UInt8(bytes.count) | (masked ? 0x80 : 0)] + (masked ? [0, 0, 0, 0] : []) + bytes
  }

  /// Takes the upgrade and answers every frame with `answer`.
  static func server(_ heard: Heard, _ answer: @escaping @Sendable () -> String = { "heard" }) -> CaseUpstream.Script {
    { wire, _ in
      try await wire.send(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: \(accept)\r\n\r\n")
      while true {
        let head = try await wire.bytes(2)
        let size = head[1] & 127 < 126 ? Int(head[1] & 127) : try await wire.bytes(2).reduce(0) { $0 << 8 | Int($1) }
        let mask = head[1] & 128 != 0 ? try await wire.bytes(4) : [0, 0, 0, 0]
        let payload = try await wire.bytes(size)
        heard.add(payload.enumerated().map { $1 ^ mask[$0 % 4] })
        guard head[0] & 15 != 8 else { return false }
        try await wire.send(frame(answer(), masked: false))
      }
    }
  }

  private static func open(
    _ attack: Attack, _ server: @escaping CaseUpstream.Script, _ fields: [String] = [], name: String? = nil
  ) async throws -> Wire {
    try attack.require(.websocket)
    try attack.upstream.script(attack.mark, server)
    let wire = try await attack.tunnel(name)
    try await wire.send(attack.request(host: attack.authority(name), handshake + fields))
    let answer = Answer(try await wire.head())
    guard answer.status == 101 else { throw Refused(answer: await attack.note(try await Attack.body(of: answer, wire))) }
    return wire
  }

  /// What comes back within an answer or the end.
  private static func reply(_ wire: Wire) async throws -> String {
    do { return String(decoding: try await wire.some(), as: UTF8.self) } catch  where Attack.isEnd(error) { return "" }
  }

  private static let passes = EgressCase(.websockets, "passes", "A websocket passes, and its frames arrive as they were sent.") { attack in
    let heard = Heard()
    let wire = try await open(attack, server(heard))
    try await wire.send(frame("hello", masked: true))
    let reply = try await reply(wire)
    await wire.close()
    guard reply.contains("heard") else { return .broken("nothing came back") }
    return heard.text.contains("hello") ? .held : .broken("the frame arrived as \(heard.text.debugDescription)")
  }

  private static let credential = EgressCase(.websockets, "credential", "A placeholder in the handshake is replaced like in any request.") {
    attack in
    let secret = try attack.secret
    let wire = try await open(attack, server(Heard()), ["authorization: Bearer \(secret.placeholder)"])
    await wire.close()
    return attack.arrived.first?.values("authorization") == ["Bearer \(secret.value)"] ? .held : .broken("the value did not arrive")
  }

  private static let credentialElsewhere = EgressCase(
    .websockets, "credential-elsewhere", "A placeholder in another field of the handshake is refused."
  ) { attack in
    try attack.require(.websocket)
    let secret = try attack.secret
    let answer = try await attack.ask(attack.request(handshake + ["sec-websocket-protocol: \(secret.placeholder)"]))
    return attack.refused(answer, "secret_not_bound", "placeholder_left")
  }

  private static let frameIsInert = EgressCase(
    .websockets, "frame-is-inert", "A placeholder in a frame that no binding names stays text, or ends the websocket."
  ) { attack in
    let secret = try attack.secret
    let heard = Heard()
    let wire = try await open(attack, server(heard), ["authorization: Bearer \(secret.placeholder)"])
    try await wire.send(frame("a \(secret.placeholder) b", masked: true))
    _ = try await reply(wire)
    await wire.close()
    return heard.text.contains(secret.value) ? .broken("the frame got the value") : .held
  }

  private static let framePlace = EgressCase(
    .websockets, "frame-place", "A placeholder in a frame that a binding names is replaced, or it is not sent as one."
  ) { attack in
    let secret = try attack.contents
    let heard = Heard()
    let wire: Wire
    do { wire = try await open(attack, server(heard), name: attack.other) } catch let refused as Refused {
      return attack.target.features.contains(.contents)
        ? .broken("answered \(refused.answer.status)") : attack.refused(refused.answer, "not_on_this_data_plane")
    }
    try await wire.send(frame("a \(secret.placeholder) b", masked: true))
    _ = try await reply(wire)
    await wire.close()
    let isThere = heard.text.contains(secret.value)
    guard attack.target.features.contains(.contents) else { return isThere ? .broken("the value arrived") : .held }
    return isThere ? .held : .broken("the frame arrived as \(heard.text.debugDescription)")
  }

  private static let closedPath = EgressCase(.websockets, "closed-path", "Policy judges the handshake: a closed path is not upgraded.") {
    attack in
    try attack.require(.websocket)
    return attack.refused(try await attack.ask(attack.request("/closed" + attack.path, handshake)), "path_not_allowed", "policy_denied")
  }

  private static let echo = EgressCase(.websockets, "echo", "A credential that comes back in a frame is masked.") { attack in
    try attack.require(.scrubbing)
    let secret = try attack.secret
    let wire = try await open(attack, server(Heard()) { "x \(secret.value) y" }, ["authorization: Bearer \(secret.placeholder)"])
    try await wire.send(frame("hello", masked: true))
    let reply = try await reply(wire)
    await wire.close()
    return reply.contains(secret.value) ? .broken("the agent got the value") : .held
  }

  private static let leak = EgressCase(.websockets, "leak-guard", "A real value in a frame does not leave.") { attack in
    try attack.require(.leakGuard)
    let secret = try attack.secret
    attack.expectNoPaths()
    let heard = Heard()
    let wire = try await open(attack, server(heard))
    try await wire.send(frame("a \(secret.value) b", masked: true))
    _ = try await reply(wire)
    await wire.close()
    return heard.text.contains(secret.value) ? .broken("the value left") : .held
  }

  private static let otherProtocol = EgressCase(.websockets, "other-protocol", "An upgrade to something else is not passed on.") { attack in
    let answer = try await attack.ask(attack.request(["connection: Upgrade", "upgrade: irc/6.9"]))
    guard answer.status != 101 else { return .broken("it was switched") }
    return attack.arrived.allSatisfy { $0.values("upgrade").isEmpty } ? .held : .broken("the upgrade reached the upstream")
  }
}
