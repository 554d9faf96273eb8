import CNamespace
import Glibc

/// Sockets of an agent's network. A socket belongs for good to the network namespace that its thread was in when it was made.
enum AgentSocket {
  /// Why there is no connection.
  struct Failure: Error, CustomStringConvertible {
    var code: CInt
    var description: String { String(cString: strerror(code)) }
  }

  /// Makes a socket in the agent's network. Nothing may wait in here: the thread is in another network meanwhile.
  static func make(_ agent: CaseTarget.Agent, _ domain: CInt, _ type: CInt, _ proto: CInt = 0) throws -> CInt {
    guard let file = agent.namespace else {
      let made = socket(domain, type | CInt(SOCK_CLOEXEC.rawValue), proto)
      guard made >= 0 else { throw Failure(code: errno) }
      return made
    }
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    let there = open(file, O_RDONLY | O_CLOEXEC)
    defer {
      if home >= 0 { close(home) }
      if there >= 0 { close(there) }
    }
    guard home >= 0, there >= 0, cnamespace_enter(there) == 0 else { throw Failure(code: errno) }
    let made = socket(domain, type | CInt(SOCK_CLOEXEC.rawValue), proto)
    let code = errno
    // A thread that cannot come back must run nothing else.
    guard cnamespace_enter(home) == 0 else { abort() }
    guard made >= 0 else { throw Failure(code: code) }
    return made
  }

  /// Connects from the agent, within `seconds`.
  static func connect(
    _ agent: CaseTarget.Agent, to address: String, port: Int, from source: String? = nil, seconds: Int = 10
  ) throws -> CInt {
    let isV6 = address.contains(":")
    let made = try make(agent, isV6 ? AF_INET6 : AF_INET, CInt(SOCK_STREAM.rawValue))
    var done = false
    defer { if !done { close(made) } }
    if let source = source ?? (agent.namespace == nil ? agent.source : nil) {
      guard withAddress(source, 0, { bind(made, $0, $1) }) == 0 else { throw Failure(code: errno) }
    }
    // The kernel gives connect(2) up after the send timeout.
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    guard withAddress(address, port, { Glibc.connect(made, $0, $1) }) == 0 else {
      throw Failure(code: errno == EINPROGRESS ? ETIMEDOUT : errno)
    }
    limit = timeval()
    setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    done = true
    return made
  }

  /// Sends one datagram and waits for one; false when nothing comes.
  static func exchange(_ agent: CaseTarget.Agent, to address: String, port: Int, _ bytes: [UInt8], type: SocketKind = .datagram) -> Bool {
    let isV6 = address.contains(":")
    let domain = isV6 ? AF_INET6 : AF_INET
    let made: CInt? =
      switch type {
      case .datagram: try? make(agent, domain, CInt(SOCK_DGRAM.rawValue))
      case .ping: try? make(agent, domain, CInt(SOCK_RAW.rawValue), CInt(IPPROTO_ICMP))
      }
    guard let made else { return false }
    defer { close(made) }
    var limit = timeval(tv_sec: 1, tv_usec: 0)
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    guard withAddress(address, port, { Glibc.connect(made, $0, $1) }) == 0, Glibc.send(made, bytes, bytes.count, 0) >= 0 else {
      return false
    }
    var buffer = [UInt8](repeating: 0, count: 2048)
    return recv(made, &buffer, buffer.count, 0) > 0
  }

  enum SocketKind { case datagram, ping }

  /// Sends one IPv4 packet whose every byte is the caller's, source address included.
  static func sendRaw(_ agent: CaseTarget.Agent, _ packet: [UInt8], to address: String) throws {
    let made = try make(agent, AF_INET, CInt(SOCK_RAW.rawValue), CInt(IPPROTO_RAW))
    defer { close(made) }
    let sent = withAddress(address, 0) { place, size in sendto(made, packet, packet.count, 0, place, size) }
    guard sent >= 0 else { throw Failure(code: errno) }
  }

  private static func withAddress<Value>(
    _ text: String, _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
  ) -> Value {
    let number = UInt16(truncatingIfNeeded: port).bigEndian
    if text.contains(":") {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = number
      inet_pton(AF_INET6, text, &address.sin6_addr)
      return withUnsafePointer(to: address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in6>.size)) }
      }
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = number
    inet_pton(AF_INET, text, &address.sin_addr)
    return withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
