/// Upstreams that nobody should trust, and hellos that nobody should answer.
enum TLSCases {
  static let all: [EgressCase] =
    [
      ("expired", UpstreamPort.expired), ("self-signed", UpstreamPort.selfSigned), ("other-name", UpstreamPort.otherName),
      ("stranger", UpstreamPort.stranger),
    ]
    .map { name, port in
      EgressCase(.tls, "upstream-\(name)", "An upstream with a certificate that is not right gets nothing, and the reason is said.") {
        attack in
        let text = attack.request(host: "\(attack.allowed):\(port)")
        return attack.refused(try await attack.ask(text, port: port), "upstream_certificate_invalid")
      }
    } + [noMintForDenied, splitHello, longHello, noServerName, trailingDot, twoNames, cleartextUpgrade]

  private static let noMintForDenied = EgressCase(
    .tls, "no-certificate", "For a name that is not allowed there is no tunnel and no certificate.", isSafe: true
  ) { attack in
    attack.refused(try await attack.connect("unheard-of.invalid:443").answer, "host_not_allowed")
  }

  /// A hello of TLS 1.2 with these extensions.
  static func hello(_ extensions: [UInt8], splitAt: Int? = nil) -> [UInt8] {
    let body: [UInt8] =
      [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 4, 0x13, 0x01, 0xc0, 0x2b, 1, 0]
      + [UInt8(extensions.count >> 8), UInt8(extensions.count & 255)] + extensions
    let message: [UInt8] = [1, UInt8(body.count >> 16), UInt8(body.count >> 8 & 255), UInt8(body.count & 255)] + body
    func record(_ part: ArraySlice<UInt8>) -> [UInt8] { [22, 3, 1, UInt8(part.count >> 8), UInt8(part.count & 255)] + part }
    guard let splitAt else { return record(message[...]) }
    return stride(from: 0, to: message.count, by: splitAt).flatMap { record(message[$0..<min($0 + splitAt, message.count)]) }
  }

  static func serverName(_ name: String, type: UInt8 = 0) -> [UInt8] {
    let text = Array(name.utf8)
    let entry: [UInt8] = [type, UInt8(text.count >> 8), UInt8(text.count & 255)] + text
    let list: [UInt8] = [UInt8(entry.count >> 8), UInt8(entry.count & 255)] + entry
    return [0, 0, UInt8(list.count >> 8), UInt8(list.count & 255)] + list
  }

  /// Sends a hello into an open tunnel. A handshake record in the answer means that a certificate was shown.
  private static func isAnswered(_ attack: Attack, _ bytes: [UInt8]) async throws -> Bool {
    let (wire, answer) = try await attack.connect(attack.authority())
    guard answer.status == 200 else { throw Refused(answer: answer) }
    // It may be closed in the middle of this.
    try? await wire.send(bytes)
    try? await wire.finishWriting()
    return try await wire.rest().first == 22
  }

  private static let splitHello = EgressCase(.tls, "hello-in-pieces", "A name that is split over TLS records is seen all the same.") {
    attack in
    try await isAnswered(attack, hello(serverName("evil.invalid"), splitAt: 5)) ? .broken("another name was answered") : .held
  }

  private static let longHello = EgressCase(.tls, "hello-too-long", "A hello without end is given up.") { attack in
    let padding: [UInt8] = [0, 21, 0xf0, 0] + [UInt8](repeating: 0, count: 0xf000)
    return try await isAnswered(attack, hello(padding + serverName(attack.allowed), splitAt: 16_000)) ? .broken("it was answered") : .held
  }

  private static let noServerName = EgressCase(.tls, "no-server-name", "Without a server name nothing but the tunnel's own name is served.")
  { attack in
    let (wire, answer) = try await attack.connect(attack.authority())
    guard answer.status == 200 else { return .broken("CONNECT was answered \(answer.status)") }
    try await wire.startTLS(attack.tls, name: nil)
    return try await attack.refusedOrClosed {
      try await wire.send(attack.request(host: attack.authority(attack.other)))
      return try await wire.answer()
    }
  }

  private static let trailingDot = EgressCase(.tls, "server-name-nul", "A server name with a NUL is refused.") { attack in
    try await isAnswered(attack, hello(serverName("\(attack.allowed)\u{0}.evil.invalid"))) ? .broken("it was answered") : .held
  }

  private static let twoNames = EgressCase(.tls, "two-server-names", "Two server name extensions are refused.") { attack in
    try await isAnswered(attack, hello(serverName(attack.allowed) + serverName("evil.invalid"))) ? .broken("it was answered") : .held
  }

  private static let cleartextUpgrade = EgressCase(.tls, "h2c-upgrade", "An upgrade to cleartext HTTP/2 is not passed on.") { attack in
    let answer = try await attack.ask(
      attack.request(["connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__"]))
    guard answer.status != 101 else { return .broken("it was switched") }
    return attack.arrived.allSatisfy { $0.values("upgrade").isEmpty } ? .held : .broken("the upgrade reached the upstream")
  }
}
