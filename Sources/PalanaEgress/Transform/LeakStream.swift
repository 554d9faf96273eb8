import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

extension Refusal {
  init(_ leak: SecretLeak) {
    self.init(.secretLeak, "the request holds the value of a secret")
    details = ["secret": leak.name, "secretAgent": leak.path.agent.text, "secretOwner": leak.path.owner.raw]
  }
}

extension LeakGuard {
  /// A stream in which leaks of `agent` are looked for.
  func stream(for agent: AgentID) -> LeakStream? { isEmpty ? nil : LeakStream(self, agent, FingerprintStream(index, shortestHeld: 4)) }

  /// Looks through a request head: as it is, and behind one and two layers of percent-encoding.
  ///
  /// - Throws: ``Refusal`` with the reason `secret_leak`, whose details name the secret for the event.
  func check(_ fields: HeadFields, of agent: AgentID) throws(Refusal) {
    guard !isEmpty else { return }
    let span = fields.bytes.readableBytesUInt8Span
    do throws(SecretLeak) {
      guard Bytes.contains(span, UInt8(ascii: "%")) else { return try check(span, of: agent) }
      try check(encoded: Array(fields.bytes.readableBytesView), of: agent)
    } catch {
      throw Refusal(error)
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
  func check(_ contents: ByteBuffer) throws(Refusal) {
    do throws(SecretLeak) { try leaks.check(contents.readableBytesUInt8Span, of: agent) } catch { throw Refusal(error) }
  }

  private func checked(_ piece: FingerprintStream.Piece) throws(Refusal) -> ByteBuffer? {
    if !piece.values.isEmpty {
      do throws(SecretLeak) { try leaks.check(values: piece.values, of: agent) } catch { throw Refusal(error) }
    }
    return piece.bytes
  }
}
