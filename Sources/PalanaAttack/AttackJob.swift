import FoundationEssentials
package import PalanaCore

/// What an attack is told: where the gateway is, who the agent is, and what must be left alone. It comes by a pipe, because
/// the token is a secret.
package struct AttackJob: Sendable {
  /// Eight hexadecimal digits that stand in every name and path that is asked for, so that the audit trail tells them from the
  /// agent's own.
  package var run: String
  /// The agent's name: the user of its proxy token.
  package var agent: String
  package var token: Redacted<String>
  /// The gateway's address, which is also the machine's own in the agents' network.
  package var gateway: String
  package var proxyPort: Int
  /// Whether connections of agents that ignore the proxy are redirected, and names answered.
  package var isTransparent: Bool
  /// Whether a message that is not exactly of HTTP/1 is refused before anything is decided about it; else it may be put right, sent on
  /// in one reading, and refused by policy.
  package var isStrict: Bool
  /// The control API's TCP port, if it has one.
  package var controlPort: Int?
  /// Addresses of other agents on this machine that no rule connects with this one.
  package var neighbours: [String]
  /// The machine's addresses in other networks.
  package var machine: [String]
  /// `ADDRESS:PORT` that policy lets the agent reach. Nothing is sent there.
  package var allowed: Set<String>

  package init(
    run: String, agent: String, token: Redacted<String>, gateway: String, proxyPort: Int, isTransparent: Bool, isStrict: Bool = true,
    controlPort: Int? = nil, neighbours: [String] = [], machine: [String] = [], allowed: Set<String> = []
  ) {
    self.run = run
    self.agent = agent
    self.token = token
    self.gateway = gateway
    self.proxyPort = proxyPort
    self.isTransparent = isTransparent
    self.isStrict = isStrict
    self.controlPort = controlPort
    self.neighbours = neighbours
    self.machine = machine
    self.allowed = allowed
  }

  /// A name that exists nowhere (RFC 6761 §6.4) and that no rule can mean but one that is too wide.
  var name: String { "palana-attack-\(run).invalid" }
}

extension AttackJob {
  private struct Wire: Codable {
    var run, agent, token, gateway: String
    var proxyPort: Int
    var isTransparent, isStrict: Bool
    var controlPort: Int?
    var neighbours, machine: [String]
    var allowed: Set<String>
  }

  /// The bytes for the pipe, with the token.
  /// - Throws: ``PalanaError`` with code `failed`.
  package func encoded() throws(PalanaError) -> [UInt8] {
    do {
      return Array(
        try JSONEncoder().encode(
          Wire(
            run: run, agent: agent, token: token.reveal(), gateway: gateway, proxyPort: proxyPort, isTransparent: isTransparent,
            isStrict: isStrict, controlPort: controlPort, neighbours: neighbours, machine: machine, allowed: allowed)))
    } catch {
      throw PalanaError(.failed, "the attack cannot be described")
    }
  }

  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(decoding bytes: [UInt8]) throws(PalanaError) {
    guard let wire = try? JSONDecoder().decode(Wire.self, from: Data(bytes)) else {
      throw PalanaError(.invalid, "standard input is no description of an attack")
    }
    self.init(
      run: wire.run, agent: wire.agent, token: Redacted(wire.token), gateway: wire.gateway, proxyPort: wire.proxyPort,
      isTransparent: wire.isTransparent, isStrict: wire.isStrict, controlPort: wire.controlPort, neighbours: wire.neighbours,
      machine: wire.machine,
      allowed: wire.allowed)
  }
}
