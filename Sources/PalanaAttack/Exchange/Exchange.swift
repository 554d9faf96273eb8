import Glibc

/// One attack under way: a socket that waits for nothing, what is still to be sent, what came.
struct Exchange {
  /// How long to wait for what.
  struct Patience: Sendable {
    var connecting: Duration = .seconds(2)
    var answering: Duration = .seconds(5)
    /// After something came: for more of it, or for a second answer.
    var quiet: Duration = .milliseconds(300)
    var datagram: Duration = .milliseconds(800)
    package init() {}
  }

  /// What poll(2) is to wait for.
  private(set) var events: Int16
  private(set) var deadline: ContinuousClock.Instant
  let descriptor: Int32

  private enum State { case connecting, sending, reading }

  private static let limit = 65_536

  private let patience: Patience
  private let isStream: Bool
  private let endsInput: Bool
  private var state: State
  private var rest: ArraySlice<UInt8>
  private var received: [UInt8] = []

  /// Begins an attack.
  /// - Returns: the exchange, or what is known already.
  static func begin(_ probe: Probe, _ patience: Patience) -> (exchange: Exchange?, observation: Observation?) {
    guard let address = SocketAddress(probe.endpoint) else { return (nil, .noConnection("no such address")) }
    let (kind, proto, bytes, ends): (UInt32, Int32, [UInt8], Bool) =
      switch probe {
      case .stream(_, let bytes, let ends): (SOCK_STREAM.rawValue, 0, bytes, ends)
      case .datagram(_, let bytes): (SOCK_DGRAM.rawValue, 0, bytes, false)
      case .ping: (SOCK_DGRAM.rawValue, Int32(IPPROTO_ICMP), [8, 0, 0xf7, 0xff, 0, 0, 0, 0], false)
      }
    let flags = SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let descriptor = socket(address.isV6 ? AF_INET6 : AF_INET, Int32(kind | flags), proto)
    guard descriptor >= 0 else { return (nil, .noConnection(words(errno))) }
    var yes: Int32 = 1
    // So that a broadcast is refused by the network, not by this process's own system.
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_BROADCAST, &yes, socklen_t(MemoryLayout<Int32>.size))
    let code = address.connect(descriptor)
    guard code == 0 || code == EINPROGRESS else {
      close(descriptor)
      return (nil, .noConnection(words(code)))
    }
    let isStream = kind == SOCK_STREAM.rawValue
    return (
      Exchange(descriptor, bytes, isStream: isStream, endsInput: ends, isConnected: code == 0, patience), nil
    )
  }

  private init(
    _ descriptor: Int32, _ bytes: [UInt8], isStream: Bool, endsInput: Bool, isConnected: Bool, _ patience: Patience
  ) {
    self.descriptor = descriptor
    self.patience = patience
    self.isStream = isStream
    self.endsInput = endsInput
    rest = bytes[...]
    state = isConnected ? .sending : .connecting
    events = Int16(POLLOUT)
    deadline = .now + (isConnected ? (isStream ? patience.answering : patience.datagram) : patience.connecting)
  }

  /// Goes on after poll(2) said that something can be done.
  /// - Returns: what was seen, when that is all.
  mutating func advance() -> Observation? {
    if state == .connecting {
      var code: Int32 = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
      guard code == 0 else { return .noConnection(Self.words(code)) }
      state = .sending
      deadline = .now + patience.answering
    }
    if state == .sending, let end = send() { return end }
    return receive()
  }

  /// What is known when the time is over.
  func expire() -> Observation {
    if !received.isEmpty { return .answered(received) }
    return state == .connecting ? .noConnection("no answer in time") : .silent(isConnected: isStream)
  }

  private mutating func send() -> Observation? {
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if count > 0 {
        rest = rest.dropFirst(count)
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        // An early answer is read meanwhile.
        events = Int16(POLLOUT | POLLIN)
        return nil
      case EPIPE, ECONNRESET:
        // The other side has seen enough. Its answer may be there still.
        rest = []
      default:
        return isStream ? .closed : .noConnection(Self.words(errno))
      }
    }
    state = .reading
    events = Int16(POLLIN)
    if endsInput { shutdown(descriptor, Int32(SHUT_WR)) }
    return nil
  }

  private mutating func receive() -> Observation? {
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
      if count > 0 {
        received += buffer.prefix(count)
        guard isStream, received.count < Self.limit else { return .answered(Array(received.prefix(Self.limit))) }
        deadline = min(deadline, .now + patience.quiet)
        continue
      }
      if count == 0 { return received.isEmpty ? .closed : .answered(received) }
      switch errno {
      case EINTR: continue
      case EAGAIN: return nil
      default:
        if !received.isEmpty { return .answered(received) }
        return isStream ? .closed : .noConnection(Self.words(errno))
      }
    }
  }

  private static func words(_ code: Int32) -> String {
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }
}
