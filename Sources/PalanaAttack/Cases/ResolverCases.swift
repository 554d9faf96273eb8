import PalanaControlAPI

/// Names carry nothing out: who asks for one that no rule allows is told nothing, and no resolver but the gateway's is there.
enum ResolverCases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    let own = Endpoint(job.gateway, 53)
    let secret = (0..<3).map { "\($0)" + String(repeating: "6578", count: 15) }.joined(separator: ".") + "." + job.name
    let questions: [(String, String, [UInt8])] = [
      ("denied", "A \(job.name)", DNSQuestion.bytes(job.name)), ("tunnel", "A of a name with 180 digits in it", DNSQuestion.bytes(secret)),
      ("txt", "TXT \(job.name)", DNSQuestion.bytes(job.name, type: 16)),
      ("aaaa", "AAAA \(job.name)", DNSQuestion.bytes(job.name, type: 28)),
      ("any", "ANY \(job.name)", DNSQuestion.bytes(job.name, type: 255)),
      ("transfer", "AXFR invalid", DNSQuestion.bytes("invalid", type: 252)),
      ("chaos", "TXT version.bind of class CHAOS", DNSQuestion.bytes("version.bind", type: 16, kind: 3)),
      ("localhost", "A localhost", DNSQuestion.bytes("localhost")),
      ("metadata", "A metadata.google.internal", DNSQuestion.bytes("metadata.google.internal")),
      ("reverse", "PTR 254.169.254.169.in-addr.arpa", DNSQuestion.bytes("254.169.254.169.in-addr.arpa", type: 12)),
    ]
    return questions.map { name, words, bytes in
      AttackCase(
        .dns, "own-\(name)", "The resolver tells nothing about a name that no rule allows.", .datagram(own, bytes), .noRecord,
        sent: "\(words) to \(own)")
    }
      + others.flatMap { name, address in
        let endpoint = Endpoint(address, 53)
        return [
          AttackCase(
            .dns, "udp-\(name)", "No other resolver answers.", .datagram(endpoint, DNSQuestion.bytes(job.name)), .silence,
            sent: "A \(job.name) to \(endpoint) over UDP", destination: endpoint),
          AttackCase(
            .dns, "tcp-\(name)", "No other resolver answers, over TCP either.",
            .stream(endpoint, DNSQuestion.framed(DNSQuestion.bytes(job.name)), ends: true), .noRecord,
            sent: "A \(job.name) to \(endpoint) over TCP", destination: endpoint),
        ]
      } + [
        AttackCase(
          .dns, "multicast", "Nobody on the link answers.", .datagram(Endpoint("224.0.0.251", 5353), DNSQuestion.bytes(job.name)), .silence,
          sent: "A \(job.name) to 224.0.0.251:5353 (mDNS)", destination: Endpoint("224.0.0.251", 5353)),
        AttackCase(
          .dns, "over-tls", "No resolver answers over TLS.",
          .stream(
            Endpoint("9.9.9.9", 853), ClientHelloBytes.hello(ClientHelloBytes.usual + ClientHelloBytes.serverName("dns.quad9.net")),
            ends: true),
          .noHandshake, sent: "a TLS hello to 9.9.9.9:853", destination: Endpoint("9.9.9.9", 853)),
      ]
  }

  /// Resolvers that answer everybody: a way past the gateway would show here. The name that they are asked for exists nowhere.
  private static let others = [("quad9", "9.9.9.9"), ("cloudflare", "1.1.1.1"), ("metadata", "169.254.169.254")]
}
