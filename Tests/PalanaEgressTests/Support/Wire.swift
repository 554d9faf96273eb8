import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// One end of a connection that is written and read as a script, byte by byte if need be.
struct Wire: ~Copyable {
  typealias Inbound = NIOAsyncChannelInboundStream<ByteBuffer>

  let channel: any Channel
  private var iterator: Inbound.AsyncIterator
  private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
  private var buffer = ByteBuffer()

  init(_ channel: any Channel, _ inbound: Inbound, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) {
    self.channel = channel
    iterator = inbound.makeAsyncIterator()
    self.outbound = outbound
  }

  private init(
    _ channel: any Channel, _ iterator: Inbound.AsyncIterator, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
    _ buffer: ByteBuffer
  ) {
    self.channel = channel
    self.iterator = iterator
    self.outbound = outbound
    self.buffer = buffer
  }

  /// Gives the connection to another reader; this one must not be used any more.
  mutating func handOver() -> Wire { Wire(channel, iterator, outbound, buffer) }

  func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }
  func send(_ bytes: [UInt8]) async throws { try await outbound.write(ByteBuffer(bytes: bytes)) }
  func send(_ buffer: ByteBuffer) async throws { try await outbound.write(buffer) }

  func flood(_ count: Int, piece: Int = 65_536, _ written: (Int) -> Void = { _ in }) async throws {
    try await writer.flood(count, piece: piece, written)
  }

  /// The writing half, to write while something is read.
  var writer: Writer { Writer(outbound: outbound) }

  struct Writer: Sendable {
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

    func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    /// Writes `count` bytes in pieces, as fast as the other side takes them.
    func flood(_ count: Int, piece: Int = 65_536, _ written: (Int) -> Void = { _ in }) async throws {
      let buffer = ByteBuffer(repeating: UInt8(ascii: "x"), count: piece)
      var left = count
      while left > 0 {
        let next = min(left, piece)
        try await outbound.write(buffer.getSlice(at: 0, length: next) ?? buffer)
        left -= next
        written(count - left)
      }
    }
  }

  /// More bytes into the buffer; false at the end.
  private mutating func fill() async throws -> Bool {
    do {
      guard var next = try await iterator.next(isolation: #isolation) else { return false }
      buffer.writeBuffer(&next)
      return true
    } catch is IOError {
      return false
    } catch is NIOSSLError {
      return false
    } catch is BoringSSLError {
      return false
    } catch is ChannelError {
      return false
    }
  }

  /// What comes until and with the empty line; nil when the connection ends before it.
  mutating func head() async throws -> String? {
    while true {
      let view = buffer.readableBytesView
      if let end = Self.end(of: view) { return buffer.readString(length: end) }
      guard try await fill() else { return nil }
    }
  }

  private static func end(of bytes: ByteBufferView) -> Int? {
    let text = Array(bytes)
    guard text.count >= 4 else { return nil }
    for index in 0...(text.count - 4) where text[index..<(index + 4)].elementsEqual([13, 10, 13, 10]) { return index + 4 }
    return nil
  }

  mutating func bytes(_ count: Int) async throws -> [UInt8]? {
    while buffer.readableBytes < count { guard try await fill() else { return nil } }
    return buffer.readBytes(length: count)
  }

  mutating func text(_ count: Int) async throws -> String? {
    try await bytes(count).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whatever comes next; nil at the end.
  mutating func some() async throws -> ByteBuffer? {
    if buffer.readableBytes == 0 {
      buffer.clear()
      guard try await fill() else { return nil }
    }
    defer { buffer = ByteBuffer() }
    return buffer
  }

  /// Reads and drops `count` bytes without keeping them.
  mutating func discard(_ count: Int) async throws -> Int {
    var left = count
    while left > 0 {
      if buffer.readableBytes == 0 {
        buffer.clear()
        guard try await fill() else { return count - left }
      }
      let taken = min(left, buffer.readableBytes)
      buffer.moveReaderIndex(forwardBy: taken)
      left -= taken
    }
    return count
  }

  /// Reads a chunked body without keeping it.
  /// - Returns: the bytes of contents; nil when it breaks off.
  mutating func discardChunks() async throws -> Int? {
    var total = 0
    while true {
      guard let line = try await line(), let size = Int(line, radix: 16) else { return nil }
      guard try await discard(size + 2) == size + 2 else { return nil }
      if size == 0 { return total }
      total += size
    }
  }

  /// What comes before the next line break; nil when the connection ends before it.
  mutating func line() async throws -> String? {
    var line: [UInt8] = []
    while true {
      guard let byte = try await bytes(1) else { return nil }
      line += byte
      if line.suffix(2).elementsEqual([13, 10]) { return String(decoding: line.dropLast(2), as: UTF8.self) }
    }
  }

  /// Everything until the other side closes.
  mutating func rest() async throws -> String {
    while try await fill() {}
    return buffer.readString(length: buffer.readableBytes) ?? ""
  }

  /// A whole response.
  mutating func response(toHead isHead: Bool = false) async throws -> Response? {
    guard let head = try await head() else { return nil }
    var response = Response(head)
    if isHead || response.status == 204 || response.status == 304 || response.status < 200 { return response }
    if response["transfer-encoding"] == "chunked" {
      response.body = try await chunks()
    } else if let length = response["content-length"].flatMap({ Int($0) }) {
      guard let body = try await text(length) else { return nil }
      response.body = body
    } else {
      response.body = try await rest()
    }
    return response
  }

  mutating func chunks() async throws -> String {
    var body: [UInt8] = []
    while true {
      var line: [UInt8] = []
      while !line.suffix(2).elementsEqual([13, 10]) {
        guard let byte = try await bytes(1) else { throw Broken() }
        line += byte
      }
      guard let size = Int(String(decoding: line.dropLast(2), as: UTF8.self), radix: 16) else { throw Broken() }
      guard let data = try await bytes(size + 2) else { throw Broken() }
      if size == 0 { return String(decoding: body, as: UTF8.self) }
      body += data.dropLast(2)
    }
  }

  struct Broken: Error {}

  /// Puts TLS over the connection, as a client.
  func startTLS(_ context: NIOSSLContext, name: String?) async throws {
    let channel = self.channel
    try await channel.eventLoop.submit {
      let handler = try NIOSSLClientHandler(context: context, serverHostname: name)
      try channel.pipeline.syncOperations.addHandler(handler, position: .first)
    }.get()
  }

  /// Says that nothing more comes, and goes on reading.
  func finishWriting() async throws { try await channel.close(mode: .output) }

  func close() async { try? await channel.close() }
}

/// A response as the agent got it.
struct Response: Sendable {
  var status = 0
  var fields: [(name: String, value: String)] = []
  var body = ""
  let head: String

  init(_ head: String) {
    self.head = head
    let lines = head.split(separator: "\r\n", omittingEmptySubsequences: true)
    if let first = lines.first { status = Int(first.split(separator: " ").dropFirst().first ?? "") ?? 0 }
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { continue }
      fields.append((parts[0].lowercased(), String(parts[1].drop { $0 == " " })))
    }
  }

  subscript(_ name: String) -> String? { fields.first { $0.name == name }?.value }

  /// The `reason` of a denial body.
  var reason: String? { member("reason") }

  func member(_ name: String) -> String? {
    guard let start = body.range(of: "\"\(name)\":\"") else { return nil }
    return body[start.upperBound...].prefix { $0 != "\"" }.description
  }
}
