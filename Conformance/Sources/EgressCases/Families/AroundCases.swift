import Glibc

/// There is no way beside the gateway, not even for somebody with more rights in the agent's network than the agent has.
enum AroundCases {
  static let all: [EgressCase] = tcp + udp + [ping, upstream, neighbour, hostPorts, ipv6, spoofed]

  private static func needsNetwork(_ attack: Attack) throws {
    guard attack.target.a.namespace != nil else { throw Missing("the agents have no network of their own here") }
  }

  private static func connects(_ attack: Attack, _ address: String, _ port: Int) -> Bool {
    guard let socket = try? AgentSocket.connect(attack.target.a, to: address, port: port, seconds: 2) else { return false }
    close(socket)
    return true
  }

  /// Whether somebody else than the gateway is at the other end. A gateway may take such connections itself, to refuse them.
  private static func reaches(_ attack: Attack, _ address: String, _ port: Int) -> Bool {
    guard let socket = try? AgentSocket.connect(attack.target.a, to: address, port: port, seconds: 2) else { return false }
    defer { close(socket) }
    var limit = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let question = Array("GET / HTTP/1.0\r\nhost: \(address):\(port)\r\n\r\n".utf8)
    guard send(socket, question, question.count, CInt(MSG_NOSIGNAL)) == question.count else { return false }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while answer.count < 65_536 {
      let count = recv(socket, &buffer, buffer.count, 0)
      // Silence is not an end: whoever keeps the connection open is there.
      if count < 0, errno == EAGAIN || errno == EINTR { return true }
      guard count > 0 else { break }
      answer += buffer.prefix(count)
    }
    return !answer.isEmpty && !String(decoding: answer, as: UTF8.self).contains("\"error\":\"egress_denied\"")
  }

  private static let tcp = [
    ("documentation", "192.0.2.7", 443), ("metadata", "169.254.169.254", 80), ("resolver", "9.9.9.9", 53), ("dns-over-tls", "9.9.9.9", 853),
    ("cloud", "168.63.129.16", 80),
  ].map { name, address, port in
    EgressCase(.around, "tcp-\(name)", "No TCP connection leaves beside the gateway.", isSafe: true) { attack in
      try needsNetwork(attack)
      return reaches(attack, address, port) ? .broken("reached \(address):\(port)") : .held
    }
  }

  private static let udp = [
    ("dns", "9.9.9.9", 53), ("quic", "192.0.2.7", 443), ("ntp", "192.0.2.7", 123), ("metadata", "169.254.169.254", 53),
    ("mdns", "224.0.0.251", 5353),
  ].map { name, address, port in
    EgressCase(.around, "udp-\(name)", "No datagram leaves beside the gateway.", isSafe: true) { attack in
      try needsNetwork(attack)
      return AgentSocket.exchange(attack.target.a, to: address, port: port, query) ? .broken("\(address):\(port) answered") : .held
    }
  }

  /// A DNS question for `example.invalid`.
  private static let query: [UInt8] =
    [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7] + Array("example".utf8) + [7] + Array("invalid".utf8) + [0, 0, 1, 0, 1]

  private static let ping = EgressCase(.around, "icmp", "No ICMP leaves.", isSafe: true) { attack in
    try needsNetwork(attack)
    let echo: [UInt8] = [8, 0, 0xf7, 0xff, 0, 0, 0, 0]
    for address in ["192.0.2.7", "9.9.9.9"] where AgentSocket.exchange(attack.target.a, to: address, port: 0, echo, type: .ping) {
      return .broken("\(address) answered")
    }
    return .held
  }

  private static let upstream = EgressCase(.around, "upstream-directly", "What the gateway reaches, the agent does not.") { attack in
    _ = try attack.upstream
    guard let address = attack.target.upstream?.address else { return .held }
    return reaches(attack, address, UpstreamPort.http) ? .broken("reached \(address)") : .held
  }

  private static let neighbour = EgressCase(.around, "the-other-agent", "Agents do not reach each other.") { attack in
    try needsNetwork(attack)
    guard let source = try attack.b.source else { throw Missing("the second agent's address is not known") }
    let listener = try AgentSocket.make(attack.b, AF_INET, CInt(SOCK_STREAM.rawValue))
    defer { close(listener) }
    // An open port, so that only the network can be in the way.
    guard listen(listener, 8) == 0 else { throw Missing("the second agent cannot listen") }
    var name = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &name) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &size) } }
    return connects(attack, source, Int(UInt16(bigEndian: name.sin_port))) ? .broken("connected to the other agent") : .held
  }

  private static let hostPorts = EgressCase(
    .around, "host-ports", "Of the machine nothing but the gateway's ports is reached.", isSafe: true
  ) { attack in
    try needsNetwork(attack)
    let port = attack.target.proxy.port
    for other in [22, 53, 80, 443, 2375, 2379, 5432, 6443, 7180, 8200, 10250, port - 1, port + 1]
    where connects(attack, attack.target.proxy.address, other) {
      // A resolver for agents is part of the gateway.
      if other == 53 { continue }
      return .broken("connected to port \(other) of the machine")
    }
    return .held
  }

  private static let ipv6 = EgressCase(.around, "ipv6", "There is no way over IPv6.", isSafe: true) { attack in
    try needsNetwork(attack)
    for address in ["2001:4860:4860::8888", "fd00:ec2::254", "fe80::1", "::ffff:169.254.169.254"] where reaches(attack, address, 80) {
      return .broken("reached \(address)")
    }
    return .held
  }

  private static let spoofed = EgressCase(.around, "spoofed-source", "A packet with another agent's address as its source is dropped.") {
    attack in
    try needsNetwork(attack)
    guard let victim = try attack.b.source else { throw Missing("the second agent's address is not known") }
    let listener = try AgentSocket.make(attack.b, AF_INET, CInt(SOCK_DGRAM.rawValue))
    defer { close(listener) }
    // A datagram to the gateway, as if from the neighbour: an answer or an error would come to the neighbour.
    let from = victim.split(separator: ".").compactMap { UInt8($0) }
    let to = attack.target.proxy.address.split(separator: ".").compactMap { UInt8($0) }
    guard from.count == 4, to.count == 4 else { throw Missing("the addresses are not IPv4") }
    let raw = try AgentSocket.make(attack.b, AF_INET, CInt(SOCK_RAW.rawValue), CInt(IPPROTO_TCP))
    defer { close(raw) }
    let port = UInt16(attack.target.proxy.port)
    let (sourcePort, sequence): (UInt16, UInt32) = (40_321, .random(in: 0 ... .max))
    var segment: [UInt8] = [UInt8(sourcePort >> 8), UInt8(sourcePort & 255), UInt8(port >> 8), UInt8(port & 255)]
    segment += withUnsafeBytes(of: sequence.bigEndian, Array.init) + [0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]
    let sum = checksum(from + to + [0, 6, 0, UInt8(segment.count)] + segment)
    segment[16] = UInt8(sum >> 8)
    segment[17] = UInt8(sum & 255)
    let packet: [UInt8] = [0x45, 0, 0, UInt8(20 + segment.count), 0, 1, 0, 0, 64, 6, 0, 0] + from + to + segment
    try AgentSocket.sendRaw(attack.target.a, packet, to: attack.target.proxy.address)
    // A gateway that took it would send its half of the handshake to the neighbour.
    var limit = timeval(tv_sec: 1, tv_usec: 0)
    setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let deadline = ContinuousClock.now + .seconds(1)
    var buffer = [UInt8](repeating: 0, count: 2048)
    while ContinuousClock.now < deadline {
      let count = recv(raw, &buffer, buffer.count, 0)
      if count >= 40, buffer[22] == UInt8(sourcePort >> 8), buffer[23] == UInt8(sourcePort & 255), buffer[33] & 2 != 0 {
        return .broken("the gateway answered the neighbour")
      }
    }
    return .held
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[index]) << 8 | UInt32(index + 1 < bytes.count ? bytes[index + 1] : 0)
    }
    while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
    return ~UInt16(sum)
  }
}
