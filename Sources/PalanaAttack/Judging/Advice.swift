package import PalanaControlAPI

extension AttackFamily {
  /// What to do about a case that is broken.
  package func advice(agent: String) -> String {
    let cut = "cut the agent off meanwhile: pcli kill \(agent) --reason 'broken \(rawValue)'"
    return switch self {
    case .names:
      "look for a rule that is too wide: pcli egress list \(agent). If there is none, the gateway has a hole: \(cut)"
    case .addresses:
      "look for a rule on this address, and at egress.allowAddresses in the configuration. If neither allows it, the gateway has a hole: \(cut)"
    case .identity: "the gateway decides without the agent's proof; \(cut)"
    case .framing, .http2: "the gateway takes a message that can be read in two ways; \(cut)"
    case .tls: "somebody shows certificates for names that no rule allows; \(cut)"
    case .dns: "names can carry data out; look at who answers on this port in the agent's network; \(cut)"
    case .around:
      "there is a way beside the gateway; look at the links and routes in the agent's network and at the firewall (nft list ruleset); \(cut)"
    case .control: "a part of the platform or the machine can be reached from the agent; see who listens there (ss -lntp); \(cut)"
    }
  }
}
