import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// Recognises the real values of secrets, of any agent, in what agents send.
struct LeakGuard: Sendable {
  struct Secret: Sendable {
    var name: String
    var path: SecretPath
    var agent: AgentID
    /// Bytes of the value.
    var length: Int

    init(_ binding: PlaceholderBinding, length: Int) {
      name = binding.secretName
      path = binding.ref.path
      agent = AgentID(owner: path.owner, name: path.agent)
      self.length = length
    }
  }

  private let secrets: [Secret]
  private let index: FingerprintIndex

  /// Bytes of the shortest value that is looked for in what other agents send. A refusal tells that a guess was right, so what can
  /// be guessed must not be looked for across agents.
  private static let shortestOfOthers = 16

  init(_ secrets: [Secret], _ fingerprints: [ValueFingerprint], key: FingerprintKey) {
    self.secrets = secrets
    index = FingerprintIndex(fingerprints, key: key)
  }

  var isEmpty: Bool { index.isEmpty }

  /// A stream in which leaks of `agent` are looked for.
  func stream(for agent: AgentID) -> LeakStream? { isEmpty ? nil : LeakStream(self, agent, FingerprintStream(index, shortestHeld: 4)) }

  /// Looks through a request head: as it is, and behind one and two layers of percent-encoding.
  ///
  /// - Throws: ``Refusal`` with the reason `secret_leak`, whose details name the secret for the event.
  func check(_ fields: HeadFields, of agent: AgentID) throws(Refusal) {
    guard !isEmpty else { return }
    let span = fields.bytes.readableBytesUInt8Span
    try check(span, of: agent)
    guard Bytes.contains(span, UInt8(ascii: "%")) else { return }
    var text = Array(fields.bytes.readableBytesView)
    for _ in 0..<2 {
      guard let decoded = Bytes.percentDecoded(text) else { return }
      try check(decoded.span, of: agent)
      text = decoded
    }
  }

  /// Looks through bytes that are complete.
  func check(_ bytes: Span<UInt8>, of agent: AgentID) throws(Refusal) {
    try refuse(index.scan(bytes, isFinal: true).matches.map(\.value), of: agent)
  }

  /// Refuses when one of the values must not come from `agent`.
  fileprivate func refuse(_ values: [Int], of agent: AgentID) throws(Refusal) {
    for value in values {
      let secret = secrets[value]
      guard secret.agent == agent || secret.length >= Self.shortestOfOthers else { continue }
      var refusal = Refusal(.secretLeak, "the request holds the value of a secret")
      refusal.details = ["secret": secret.name, "secretAgent": secret.path.agent.text, "secretOwner": secret.path.owner.raw]
      throw refusal
    }
  }
}

/// Looks for leaks in a body, or another stream of bytes, while it passes.
struct LeakStream: BodyFilter {
  private let leaks: LeakGuard
  private let agent: AgentID
  private var stream: FingerprintStream

  fileprivate init(_ leaks: LeakGuard, _ agent: AgentID, _ stream: FingerprintStream) {
    self.leaks = leaks
    self.agent = agent
    self.stream = stream
  }

  /// The bytes that may go on. What may be the beginning of a value waits for the next bytes, so that none goes out but its first
  /// three bytes.
  ///
  /// - Throws: ``Refusal`` with the reason `secret_leak`; nothing more of the stream may go on.
  mutating func pass(_ contents: ByteBuffer) throws(Refusal) -> ByteBuffer? { try checked(stream.take(contents)) }

  /// What was kept back, once nothing follows.
  mutating func finish() throws(Refusal) -> ByteBuffer? { try checked(stream.finish()) }

  /// Looks through bytes that belong to no stream.
  func check(_ contents: ByteBuffer) throws(Refusal) { try leaks.check(contents.readableBytesUInt8Span, of: agent) }

  private func checked(_ piece: FingerprintStream.Piece) throws(Refusal) -> ByteBuffer? {
    if !piece.values.isEmpty { try leaks.refuse(piece.values, of: agent) }
    return piece.bytes
  }
}
