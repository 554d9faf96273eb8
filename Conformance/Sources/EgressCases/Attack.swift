import NIOCore
import NIOSSL
import Synchronization

/// What one case has to attack with. Each case has a mark of its own, which stands in the paths of its requests, so that cases
/// can run at the same time.
public final class Attack: Sendable {
  public let target: CaseTarget
  let mark: String
  let tls: NIOSSLContext
  let tlsH2: NIOSSLContext
  private let server: CaseUpstream?
  private let silence: TimeAmount
  private let journal = Mutex<(refusals: [(id: String, reason: String)], expected: [AuditExpectation], hasNoPaths: Bool)>(([], [], false))

  init(_ target: CaseTarget, tls: NIOSSLContext, tlsH2: NIOSSLContext, upstream: CaseUpstream?, mark: String, silence: TimeAmount) {
    self.target = target
    self.silence = silence
    self.tls = tls
    self.tlsH2 = tlsH2
    server = upstream
    self.mark = mark
  }

  // MARK: What there is

  var upstream: CaseUpstream {
    get throws { if let server { server } else { throw Missing("there is no upstream of the suite's own") } }
  }
  var b: CaseTarget.Agent {
    get throws { if let b = target.b { b } else { throw Missing("there is no second agent") } }
  }
  var secret: CaseTarget.Secret {
    get throws { if let secret = target.secret { secret } else { throw Missing("the agent has no secret for the suite") } }
  }

  var contents: CaseTarget.Contents {
    get throws {
      if let contents = target.contents { contents } else { throw Missing("the agent has no secret that is bound to contents") }
    }
  }

  /// Says that the case needs what the gateway does not claim to do.
  func require(_ feature: CaseTarget.Feature) throws {
    guard target.features.contains(feature) else { throw Missing("the gateway does not claim \(feature.rawValue)") }
  }

  /// The requests of this case that reached the upstream.
  var arrived: [UpstreamLog.Request] { server?.log.requests(with: mark) ?? [] }

  var path: String { "/c/\(mark)" }
  var allowed: String { target.names.allowed }
  var other: String { target.names.other }
  var denied: String { target.names.denied }
  /// `NAME:PORT` of the upstream's HTTPS listener.
  func authority(_ name: String? = nil) -> String { "\(name ?? allowed):\(UpstreamPort.https)" }

  // MARK: Speaking

  /// The value of Basic proxy authentication.
  func proof(_ agent: CaseTarget.Agent) -> String { "Basic " + Base64.encode(Array("\(agent.name):\(agent.token)".utf8)) }

  /// A connection to the gateway, from an agent.
  func open(_ agent: CaseTarget.Agent? = nil) async throws -> Wire {
    try await Wire.over(AgentSocket.connect(agent ?? target.a, to: target.proxy.address, port: target.proxy.port), silence: silence)
  }

  /// The text of CONNECT.
  func connectHead(_ authority: String, host: String? = nil, agent: CaseTarget.Agent? = nil, _ fields: String...) -> String {
    "CONNECT \(authority) HTTP/1.1\r\nhost: \(host ?? authority)\r\nproxy-authorization: \(proof(agent ?? target.a))\r\n"
      + fields.map { $0 + "\r\n" }.joined() + "\r\n"
  }

  /// Asks for a tunnel and returns the answer with the connection.
  func connect(_ authority: String, agent: CaseTarget.Agent? = nil) async throws -> (wire: Wire, answer: Answer) {
    let wire = try await open(agent)
    try await wire.send(connectHead(authority, agent: agent))
    let answer = Answer(try await wire.head())
    if answer.status == 200 { return (wire, answer) }
    return (wire, await note(try await Self.body(of: answer, wire)))
  }

  /// A tunnel with TLS inside.
  func tunnel(
    _ name: String? = nil, port: Int = UpstreamPort.https, agent: CaseTarget.Agent? = nil, serverName: String? = nil, h2: Bool = false
  ) async throws -> Wire {
    let name = name ?? allowed
    let (wire, answer) = try await connect("\(name):\(port)", agent: agent)
    guard answer.status == 200 else { throw Refused(answer: answer) }
    try await wire.startTLS(h2 ? tlsH2 : tls, name: serverName ?? name)
    return wire
  }

  /// The text of a request inside a tunnel.
  func request(
    _ target: String? = nil, method: String = "GET", host: String? = nil, _ fields: [String] = [], body: String = ""
  ) -> String {
    "\(method) \(target ?? path) HTTP/1.1\r\nhost: \(host ?? authority())\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n" + body
  }

  func request(_ fields: [String]) -> String { request(nil, fields) }

  /// The text of a request in clear to the proxy.
  func plain(
    _ target: String? = nil, method: String = "GET", host: String? = nil, agent: CaseTarget.Agent? = nil, _ fields: [String] = [],
    body: String = ""
  ) -> String {
    let authority = host ?? "\(allowed):\(UpstreamPort.http)"
    return "\(method) \(target ?? "http://\(authority)\(path)") HTTP/1.1\r\nhost: \(authority)\r\n"
      + "proxy-authorization: \(proof(agent ?? self.target.a))\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n" + body
  }

  func plain(_ fields: [String]) -> String { plain(nil, fields) }

  /// Sends a request in a tunnel of its own and returns the answer.
  func ask(
    _ text: String, name: String? = nil, port: Int = UpstreamPort.https, agent: CaseTarget.Agent? = nil
  ) async throws -> Answer {
    let wire = try await tunnel(name, port: port, agent: agent)
    try await wire.send(text)
    let answer = await note(try await wire.answer())
    await wire.close()
    return answer
  }

  /// Sends text on a connection of its own to the gateway and returns the answer.
  func askProxy(_ text: String, agent: CaseTarget.Agent? = nil) async throws -> Answer {
    let wire = try await open(agent)
    try await wire.send(text)
    let answer = await note(try await wire.answer())
    await wire.close()
    return answer
  }

  static func body(of head: Answer, _ wire: Wire) async throws -> Answer {
    var answer = head
    if let length = head["content-length"].flatMap({ Int($0) }) { answer.body = try await wire.bytes(length) }
    return answer
  }

  /// Remembers a refusal: each must be found in the audit trail with the same reason.
  @discardableResult
  func note(_ answer: Answer) async -> Answer {
    if let id = answer.requestID, let reason = answer.reason { journal.withLock { $0.refusals.append((id, reason)) } }
    return answer
  }

  // MARK: Judging

  var refusals: [(id: String, reason: String)] { journal.withLock(\.refusals) }

  /// An event that must be in the audit trail.
  func expectEvent(_ claim: String, _ condition: @escaping @Sendable (AuditLine) -> Bool) {
    journal.withLock { $0.expected.append(AuditExpectation(claim: claim, condition: condition)) }
  }
  /// The events of this case leave the path out, since it may hold what must not be written down.
  func expectNoPaths() { journal.withLock { $0.hasNoPaths = true } }
  var hasNoPaths: Bool { journal.withLock(\.hasNoPaths) }
  var expectations: [AuditExpectation] { journal.withLock(\.expected) }

}

/// A tunnel, or what was to stand in it, was refused.
struct Refused: Error, CustomStringConvertible {
  var answer: Answer
  var description: String { "answered \(answer.status) \(answer.reason ?? "")" }
}

/// The target lacks what a case needs.
struct Missing: Error {
  var why: String
  init(_ why: String) { self.why = why }
}

enum Base64 {
  static func encode(_ bytes: [UInt8], url: Bool = false) -> String {
    let alphabet = Array(
      (url
        ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").utf8)
    var out: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      for index in 0...3 {
        out.append(index <= group.count ? alphabet[Int(bits >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Nil for what is no Base64; missing padding is no matter.
  static func decode(_ text: String) -> String? {
    var out: [UInt8] = []
    var (bits, count): (UInt32, Int) = (0, 0)
    for byte in text.utf8 where byte != UInt8(ascii: "=") {
      let value: UInt8
      switch byte {
      case 65...90: value = byte - 65
      case 97...122: value = byte - 71
      case 48...57: value = byte + 4
      case UInt8(ascii: "+"): value = 62
      case UInt8(ascii: "/"): value = 63
      default: return nil
      }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        out.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
