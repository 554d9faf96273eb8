import NIOCore
import NIOHPACK
import NIOPosix
import NIOSSL

@testable import PalanaEgress

/// One end of an HTTP/2 connection whose frames are written and read one by one (RFC 9113 §4), so that a test can send what no
/// library would.
struct HTTP2Wire: ~Copyable {
  struct Frame: Sendable {
    var type: UInt8
    var flags: UInt8
    var stream: UInt32
    var payload: ByteBuffer
  }

  /// What came for one stream.
  struct Answer: Sendable {
    var heads: [[(name: String, value: String)]] = []
    var body = ""
    var count = 0
    var isComplete = false
    var reset: UInt32?

    subscript(_ name: String) -> String? { heads.last { $0.contains { $0.name == ":status" } }?.first { $0.name == name }?.value }
    var status: Int? { self[":status"].flatMap { Int($0) } }
    var trailers: [(name: String, value: String)] {
      heads.last.flatMap { last in last.contains { $0.name == ":status" } ? nil : last } ?? []
    }
    var reason: String? {
      var response = Response("")
      response.body = body
      return response.reason
    }
  }

  static let data: UInt8 = 0
  static let headers: UInt8 = 1
  static let reset: UInt8 = 3
  static let settings: UInt8 = 4
  static let ping: UInt8 = 6
  static let goAway: UInt8 = 7
  static let windowUpdate: UInt8 = 8
  static let continuation: UInt8 = 9

  private var wire: Wire
  private var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
  private var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
  private var answers: [UInt32: Answer] = [:]
  /// Whether windows open again as soon as contents arrive.
  var opensWindows = true
  private(set) var goAwayCode: UInt32?
  /// The newest stream that the other side looked at, by its farewell.
  private(set) var goAwayStream: UInt32?
  /// What the other side has set.
  private(set) var settings: [UInt16: UInt32] = [:]
  private(set) var isOver = false

  init(_ wire: consuming Wire) { self.wire = wire }

  /// As a client: the preface and the settings.
  mutating func start(_ settings: [(UInt16, UInt32)] = []) async throws {
    try await wire.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    try await send(settings: settings)
  }

  /// As a server: the client's preface, then the settings.
  mutating func accept(_ settings: [(UInt16, UInt32)] = []) async throws {
    guard try await wire.text(24) == "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" else { throw Wire.Broken() }
    try await send(settings: settings)
  }

  /// As a server: the next request, and whether it is whole with its head; nil when the connection is over.
  mutating func request() async throws -> (stream: UInt32, fields: [String: String], isWhole: Bool)? {
    while let frame = try await step() {
      guard frame.type == Self.headers, let head = answers[frame.stream]?.heads.last else { continue }
      return (frame.stream, Dictionary(head.map { ($0.name, $0.value) }) { $0 + "," + $1 }, frame.flags & 1 == 1)
    }
    return nil
  }

  mutating func send(settings: [(UInt16, UInt32)]) async throws {
    var payload = ByteBuffer()
    for (name, value) in settings {
      payload.writeInteger(name)
      payload.writeInteger(value)
    }
    try await send(Self.settings, 0, 0, payload)
  }

  mutating func send(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: ByteBuffer) async throws {
    try await wire.send(Self.frame(type, flags, stream, payload))
  }

  mutating func send(raw bytes: ByteBuffer) async throws { try await wire.send(bytes) }

  static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: ByteBuffer) -> ByteBuffer {
    var frame = ByteBuffer()
    frame.writeInteger(UInt8(truncatingIfNeeded: payload.readableBytes >> 16))
    frame.writeInteger(UInt16(truncatingIfNeeded: payload.readableBytes))
    frame.writeInteger(type)
    frame.writeInteger(flags)
    frame.writeInteger(stream)
    frame.writeImmutableBuffer(payload)
    return frame
  }

  mutating func block(_ fields: [(String, String)]) throws -> ByteBuffer {
    var block = ByteBuffer()
    try encoder.encode(headers: HPACKHeaders(fields), to: &block)
    return block
  }

  mutating func headers(_ fields: [(String, String)], _ stream: UInt32, ends: Bool = true) async throws {
    try await send(Self.headers, ends ? 5 : 4, stream, try block(fields))
  }

  mutating func data(_ text: String, _ stream: UInt32, ends: Bool = false) async throws {
    try await send(Self.data, ends ? 1 : 0, stream, ByteBuffer(string: text))
  }

  /// Sends a whole body, no faster than the windows allow.
  /// - Returns: false when the stream was reset before its end.
  mutating func upload(_ text: String, _ stream: UInt32, pieces size: Int) async throws -> Bool {
    _ = try await settle()
    let bytes = Array(text.utf8)
    // The connection's window is not narrower than that of the stream.
    var window = Int(settings[4] ?? 65_535)
    var sent = 0
    while sent < bytes.count {
      let count = min(size, bytes.count - sent)
      while window < count {
        guard let frame = try await step() else { return false }
        var payload = frame.payload
        if frame.type == Self.windowUpdate, frame.stream == stream { window += Int(payload.readInteger(as: UInt32.self) ?? 0) }
        if frame.type == Self.reset, frame.stream == stream { return false }
      }
      window -= count
      let isLast = sent + count == bytes.count
      try await send(0, isLast ? 1 : 0, stream, ByteBuffer(bytes: bytes[sent..<(sent + count)]))
      sent += count
    }
    return true
  }

  mutating func open(_ stream: UInt32, by count: UInt32) async throws {
    try await send(Self.windowUpdate, 0, stream, ByteBuffer(integer: count))
  }

  /// The next frame; nil when the connection is over.
  mutating func next() async throws -> Frame? {
    guard !isOver, let head = try await wire.bytes(9) else {
      isOver = true
      return nil
    }
    let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
    let stream = (UInt32(head[5]) << 24 | UInt32(head[6]) << 16 | UInt32(head[7]) << 8 | UInt32(head[8])) & 0x7fff_ffff
    guard let payload = length == 0 ? [] : try await wire.bytes(length) else {
      isOver = true
      return nil
    }
    return Frame(type: head[3], flags: head[4], stream: stream, payload: ByteBuffer(bytes: payload))
  }

  /// Takes one frame in.
  mutating func step() async throws -> Frame? {
    guard let frame = try await next() else { return nil }
    var payload = frame.payload
    switch frame.type {
    case Self.headers:
      let fields = try decoder.decodeHeaders(from: &payload)
      answers[frame.stream, default: Answer()].heads.append(fields.map { (name: $0.name, value: $0.value) })
      if frame.flags & 1 == 1 { answers[frame.stream]?.isComplete = true }
    case Self.data:
      answers[frame.stream, default: Answer()].count += payload.readableBytes
      if answers[frame.stream]?.count ?? 0 < 1 << 20 {
        answers[frame.stream]?.body += String(decoding: payload.readableBytesView, as: UTF8.self)
      }
      if frame.flags & 1 == 1 { answers[frame.stream]?.isComplete = true }
      if opensWindows, payload.readableBytes > 0 {
        try await open(0, by: UInt32(payload.readableBytes))
        if frame.flags & 1 == 0 { try await open(frame.stream, by: UInt32(payload.readableBytes)) }
      }
    case Self.reset: answers[frame.stream, default: Answer()].reset = payload.readInteger()
    case Self.settings:
      while let name = payload.readInteger(as: UInt16.self) { settings[name] = payload.readInteger() }
      if frame.flags & 1 == 0 { try await send(Self.settings, 1, 0, ByteBuffer()) }
    case Self.goAway:
      goAwayStream = payload.readInteger()
      goAwayCode = payload.readInteger()
    default: break
    }
    return frame
  }

  /// Waits until the settings of both sides are in force.
  /// - Returns: how many streams the other side takes.
  mutating func settle() async throws -> UInt32? {
    try await send(Self.ping, 0, 0, ByteBuffer(repeating: 2, count: 8))
    while let frame = try await step(), frame.type != Self.ping || settings.isEmpty {}
    try await send(Self.ping, 0, 0, ByteBuffer(repeating: 3, count: 8))
    while let frame = try await step(), frame.type != Self.ping {}
    return settings[3]
  }

  /// The answer on a stream, once it is complete or reset; what there is of it when the connection ends.
  mutating func answer(_ stream: UInt32) async throws -> Answer {
    while true {
      if let answer = answers[stream], answer.isComplete || answer.reset != nil { return answer }
      guard try await step() != nil else { return answers[stream] ?? Answer() }
    }
  }

  /// What came so far, once `condition` holds for it.
  mutating func answer(_ stream: UInt32, when condition: (Answer) -> Bool) async throws -> Answer {
    while true {
      if let answer = answers[stream], condition(answer) { return answer }
      guard try await step() != nil else { return answers[stream] ?? Answer() }
    }
  }

  /// Reads until the connection ends.
  mutating func rest() async {
    do {
      while try await step() != nil {}
    } catch {
      // An answer to a frame could not be written any more.
      isOver = true
    }
  }

  mutating func exchange(_ fields: [(String, String)], _ stream: UInt32) async throws -> Answer {
    try await headers(fields, stream)
    return try await answer(stream)
  }
}

extension GatewayFixture {
  /// A connection of an agent with HTTP/2 inside its tunnel.
  func http2<Result: Sendable>(
    _ host: String = "allowed.test", from source: String = "127.0.1.1", token: String = Self.tokenA,
    settings: [(UInt16, UInt32)] = [], _ body: (inout HTTP2Wire) async throws -> Result
  ) async throws -> Result {
    var client = TLSConfiguration.makeClientConfiguration()
    client.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.certificatePEM.utf8)))
    client.applicationProtocols = ["h2"]
    let context = try NIOSSLContext(configuration: client)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(to: SocketAddress(ipAddress: source, port: 0))
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      var wire = Wire(channel.channel, inbound, outbound)
      try await wire.send(connect(host, token: token))
      guard try await wire.head()?.hasPrefix("HTTP/1.1 200 ") == true else { throw Wire.Broken() }
      try await wire.startTLS(context, name: host)
      var http2 = HTTP2Wire(wire)
      try await http2.start(settings)
      return try await body(&http2)
    }
  }

  /// The fields of a request over HTTP/2.
  func fields(
    _ path: String = "/", method: String = "GET", host: String = "allowed.test", _ more: (String, String)...
  ) -> [(String, String)] {
    [(":method", method), (":scheme", "https"), (":authority", "\(host):\(upstreamPort)"), (":path", path)] + more
  }
}
