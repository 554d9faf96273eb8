package import PalanaControlAPI

/// An address with a port, as text.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  package let address: String
  package let port: Int

  package init(_ address: String, _ port: Int) {
    self.address = address
    self.port = port
  }

  package var description: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }
}

/// What is sent, and where.
package enum Probe: Hashable, Sendable {
  /// These bytes over a TCP connection. With `ends`, nothing more can follow them.
  case stream(Endpoint, [UInt8], ends: Bool)
  /// One UDP datagram.
  case datagram(Endpoint, [UInt8])
  /// One ICMP echo.
  case ping(String)

  var endpoint: Endpoint {
    switch self {
    case .stream(let endpoint, _, _), .datagram(let endpoint, _): endpoint
    case .ping(let address): Endpoint(address, 0)
    }
  }
}

/// What must come of it.
package enum AttackExpectation: Hashable, Sendable {
  /// An HTTP error or the end of the connection.
  case refused
  /// The same, at most one answer: what followed the message was no request.
  case refusedOnce
  /// The end of the connection, or an error that says that the message itself is wrong. Nothing was decided about it.
  case malformed
  /// A demand for proof, or as ``malformed``. Nothing was decided.
  case unproven
  /// No handshake of TLS.
  case noHandshake
  /// Nobody is there, or the gateway, which refuses.
  case nobody
  /// No datagram.
  case silence
  /// No answer of DNS with a record in it.
  case noRecord
}

/// One attack that harms nobody: what it sends must be refused, and would change nothing where it arrived.
package struct AttackCase: Hashable, Sendable {
  package let family: AttackFamily
  /// Unique within the family; words with dashes.
  package let name: String
  /// A sentence that holds for a platform that is whole.
  package let claim: String
  package let probe: Probe
  package let expectation: AttackExpectation
  /// For people.
  package let sent: String
  /// Where a platform that is broken would take it. Nothing is sent when policy lets the agent go there.
  package let destination: Endpoint?
  /// Whether it says something only where connections of agents are redirected.
  package let needsTransparency: Bool

  init(
    _ family: AttackFamily, _ name: String, _ claim: String, _ probe: Probe, _ expectation: AttackExpectation, sent: String,
    destination: Endpoint? = nil, needsTransparency: Bool = false
  ) {
    self.family = family
    self.name = name
    self.claim = claim
    self.probe = probe
    self.expectation = expectation
    self.sent = sent
    self.destination = destination
    self.needsTransparency = needsTransparency
  }

  /// Whether it asks only if a message that is not exactly of HTTP/1 is taken: a data plane that puts it right may refuse what it says
  /// instead. A wrong proof is no spelling.
  var isOfSpelling: Bool { family == .framing || (family == .identity && name == "connect-folded") }

  /// Why it says nothing here; nil: it does.
  package func inapplicability(_ job: AttackJob) -> String? {
    if let destination, job.allowed.contains(destination.description) { return "a rule lets the agent reach \(destination)" }
    if needsTransparency, !job.isTransparent { return "egress.transparent is switched off" }
    return nil
  }
}

extension AttackCase {
  /// Every case, by family.
  package static func all(_ job: AttackJob) -> [AttackCase] {
    NameCases.all(job) + AddressCases.all(job) + IdentityCases.all(job) + FramingCases.all(job) + HTTP2Cases.all(job)
      + TLSCases.all(job) + ResolverCases.all(job) + AroundCases.all(job) + ControlCases.all(job)
  }

  /// The question that shows, before all others, that the gateway is there and takes the agent's proof: else everything would
  /// hold, and nothing would be shown.
  static func control(_ job: AttackJob) -> AttackCase {
    let speaker = ProxySpeaker(job)
    return AttackCase(
      .names, "control", "The gateway answers.", speaker.stream(speaker.connect(job.name + ":443")), .refused,
      sent: "CONNECT \(job.name):443")
  }
}
