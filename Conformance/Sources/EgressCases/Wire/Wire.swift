import NIOCore
import NIOPosix
import NIOSSL

/// One end of a connection, written and read byte by byte.
public final class Wire: Sendable {
  let channel: any Channel
  private let inbox: Inbox

  init(_ channel: any Channel, _ inbox: Inbox) {
    self.channel = channel
    self.inbox = inbox
  }

  /// Over a socket that is connected.
  /// - Parameter silence: how long each wait for the next byte may be; nil: as long as it takes.
  static func over(_ socket: CInt, silence: TimeAmount?) async throws -> Wire {
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let inbox = Inbox(eventLoop, silence: silence)
    let channel = try await ClientBootstrap(group: eventLoop)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelInitializer { $0.pipeline.addHandler(inbox) }
      .withConnectedSocket(socket).get()
    return Wire(channel, inbox)
  }

  /// A side that does not read holds this up until the task is cancelled, which closes the connection.
  func send(_ bytes: [UInt8]) async throws {
    let channel = self.channel
    try await withTaskCancellationHandler {
      try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    } onCancel: {
      channel.close(promise: nil)
    }
  }
  func send(_ text: String) async throws { try await send(Array(text.utf8)) }

  /// Sends in pieces, each a packet of its own as far as the system lets us.
  func send(_ text: String, inPiecesOf size: Int) async throws {
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: size) {
      try await send(Array(bytes[start..<min(start + size, bytes.count)]))
    }
  }

  /// What comes until and with the empty line.
  func head() async throws -> String {
    try await inbox.take { bytes, _ in
      guard let end = Self.endOfHead(bytes) else { return nil }
      return (end, String(decoding: bytes[..<end], as: UTF8.self))
    }
  }

  /// The same, as it came.
  func headBytes() async throws -> [UInt8] {
    try await inbox.take { bytes, _ in Self.endOfHead(bytes).map { ($0, Array(bytes[..<$0])) } }
  }

  func bytes(_ count: Int) async throws -> [UInt8] {
    // A length that the other side made up.
    guard count >= 0 else { throw Ended() }
    return try await inbox.take { bytes, _ in bytes.count < count ? nil : (count, Array(bytes[..<count])) }
  }

  /// What is there, at least one byte; empty at the end.
  func some() async throws -> [UInt8] {
    try await inbox.take { bytes, isAll in bytes.isEmpty && !isAll ? nil : (bytes.count, bytes) }
  }

  /// With the line break.
  func line() async throws -> String {
    try await inbox.take { bytes, _ in
      guard let end = bytes.firstIndex(of: 10) else { return nil }
      return (end + 1, String(decoding: bytes[...end], as: UTF8.self))
    }
  }

  /// Everything until the other side closes.
  func rest() async throws -> [UInt8] { try await inbox.take { bytes, isAll in isAll ? (bytes.count, bytes) : nil } }

  /// A whole response.
  func answer(toHead isHead: Bool = false) async throws -> Answer {
    var answer = Answer(try await head())
    if isHead || answer.status < 200 || answer.status == 204 || answer.status == 304 { return answer }
    if answer["transfer-encoding"]?.contains("chunked") == true {
      while true {
        let size = Int(try await line().prefix { $0.isHexDigit }, radix: 16) ?? 0
        if size == 0 { break }
        answer.body += try await bytes(size)
        _ = try await bytes(2)
      }
      while true {
        let line = try await line()
        answer.trailers += line
        if line == "\r\n" { break }
      }
    } else if let length = answer["content-length"].flatMap({ Int($0) }) {
      answer.body = try await bytes(length)
    } else {
      answer.body = try await rest()
    }
    return answer
  }

  /// Puts TLS over the connection, as a client.
  func startTLS(_ context: NIOSSLContext, name: String?) async throws {
    let channel = self.channel
    try await channel.eventLoop.submit {
      let handler = try NIOSSLClientHandler(context: context, serverHostname: name)
      try channel.pipeline.syncOperations.addHandler(handler, position: .first)
    }.get()
  }

  /// Sends `text` in clear and takes TLS from there on, as a server.
  func acceptTLS(_ context: NIOSSLContext, after text: String) async throws {
    let channel = self.channel
    try await channel.eventLoop.submit {
      // In one turn of the loop, so that the first byte of the handshake cannot come in between.
      channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
      try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context), position: .first)
    }.get()
  }

  /// Waits for the end of the handshake.
  /// - Returns: what ALPN agreed on; nil: nothing.
  func negotiated() async throws -> String? { try await inbox.negotiated() }

  func finishWriting() async throws { try await channel.close(mode: .output) }
  func close() async { try? await channel.close() }

  private static func endOfHead(_ bytes: [UInt8]) -> Int? {
    guard bytes.count >= 4 else { return nil }
    for index in 3..<bytes.count where bytes[index] == 10 && bytes[index - 1] == 13 && bytes[index - 2] == 10 && bytes[index - 3] == 13 {
      return index + 1
    }
    return nil
  }
}

/// A response as it came.
public struct Answer: Sendable {
  public let head: String
  public let status: Int
  public let fields: [(name: String, value: String)]
  public var body: [UInt8] = []
  /// With the empty line.
  public var trailers = ""

  init(_ head: String) {
    self.head = head
    let lines = head.split(separator: "\r\n", omittingEmptySubsequences: true)
    status = lines.first.flatMap { Int($0.split(separator: " ").dropFirst().first ?? "") } ?? 0
    fields = lines.dropFirst().compactMap { line in
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      return parts.count == 2 ? (parts[0].lowercased(), String(parts[1].drop { $0 == " " })) : nil
    }
  }

  init(status: Int, fields: [(name: String, value: String)], body: [UInt8]) {
    head = "HTTP/2 \(status)\r\n" + fields.map { "\($0.name): \($0.value)\r\n" }.joined()
    self.status = status
    self.fields = fields
    self.body = body
  }

  subscript(_ name: String) -> String? { fields.first { $0.name == name }?.value }

  var text: String { String(decoding: body, as: UTF8.self) }
  /// Everything of it.
  var whole: String { head + text + trailers }
  /// The `reason` of a refusal.
  var reason: String? { member("reason") }
  var requestID: String? { member("request_id") }

  private func member(_ name: String) -> String? {
    guard let range = text.firstRange(of: "\"\(name)\":\"") else { return nil }
    return String(text[range.upperBound...].prefix { $0 != "\"" })
  }
}
