import NIOCore
import NIOHPACK

/// Frames of HTTP/2 (RFC 9113 §4), written as the case wants them and read as far as needed.
final class HTTP2Wire: Sendable {
  struct Frame: Sendable {
    var type: UInt8
    var flags: UInt8
    var stream: Int
    var payload: [UInt8]
  }

  static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
  let wire: Wire

  /// Says hello over a connection on which ALPN agreed on `h2`.
  init(_ wire: Wire) async throws {
    self.wire = wire
    try await wire.send(Array(Self.preface.utf8) + Self.frame(4, 0, 0, []))
  }

  /// Reads frames only.
  init(reading wire: Wire) { self.wire = wire }

  static func frame(_ type: UInt8, _ flags: UInt8, _ stream: Int, _ payload: [UInt8]) -> [UInt8] {
    let size = payload.count
    return [
      UInt8(size >> 16 & 255), UInt8(size >> 8 & 255), UInt8(size & 255), type, flags, UInt8(stream >> 24 & 127), UInt8(stream >> 16 & 255),
      UInt8(stream >> 8 & 255), UInt8(stream & 255),
    ] + payload
  }

  /// A header block of literals without indexing and without Huffman coding (RFC 7541 §6.2.2): any bytes can stand in it.
  static func block(_ fields: [(String, String)]) -> [UInt8] {
    func text(_ value: String) -> [UInt8] {
      let bytes = Array(value.utf8)
      guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
      var (rest, out): (Int, [UInt8]) = (bytes.count - 127, [127])
      while rest >= 128 {
        out.append(UInt8(rest & 127 | 128))
        rest >>= 7
      }
      return out + [UInt8(rest)] + bytes
    }
    return fields.flatMap { [0] + text($0.0) + text($0.1) }
  }

  /// A request head; `end`: without a body.
  func headers(_ fields: [(String, String)], stream: Int = 1, end: Bool = true) async throws {
    let block = Self.block(fields)
    var pieces = stride(from: 0, to: block.count, by: 16_000).map { Array(block[$0..<min($0 + 16_000, block.count)]) }
    let first = pieces.removeFirst()
    var bytes = Self.frame(1, (end ? 1 : 0) | (pieces.isEmpty ? 4 : 0), stream, first)
    for (index, piece) in pieces.enumerated() { bytes += Self.frame(9, index == pieces.count - 1 ? 4 : 0, stream, piece) }
    try await wire.send(bytes)
  }

  func data(_ text: String, stream: Int = 1, end: Bool = true) async throws {
    try await wire.send(Self.frame(0, end ? 1 : 0, stream, Array(text.utf8)))
  }

  func frame() async throws -> Frame {
    let head = try await wire.bytes(9)
    let size = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
    let stream = Int(head[5] & 127) << 24 | Int(head[6]) << 16 | Int(head[7]) << 8 | Int(head[8])
    return Frame(type: head[3], flags: head[4], stream: stream, payload: try await wire.bytes(size))
  }

  /// The answer on a stream; throws ``Reset`` when the stream or the connection is ended instead. One answer a connection can be
  /// read so: what the header compression remembers is not kept.
  func answer(stream: Int = 1) async throws -> Answer {
    var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
    var (fields, body): ([(name: String, value: String)], [UInt8]) = ([], [])
    while true {
      let frame = try await frame()
      switch (frame.type, frame.stream) {
      case (4, _) where frame.flags & 1 == 0: try await wire.send(Self.frame(4, 1, 0, []))
      case (7, _): throw Reset()
      case (3, stream): throw Reset()
      case (1, _):
        var buffer = ByteBuffer(bytes: frame.payload)
        let decoded = try decoder.decodeHeaders(from: &buffer)
        guard frame.stream == stream else { continue }
        fields += decoded.map { ($0.name, $0.value) }
      case (0, stream): body += frame.payload
      default: continue
      }
      let status = fields.first { $0.name == ":status" }.flatMap { Int($0.value) } ?? 0
      if frame.flags & 1 == 1, frame.type <= 1, frame.stream == stream { return Answer(status: status, fields: fields, body: body) }
    }
  }

  /// Sends frames and asks behind them whether the other side goes on: it ends the stream or the connection, or answers the ping.
  func isRefused(_ frames: [UInt8]) async throws -> Bool {
    let ping: [UInt8] = [7, 1, 7, 2, 7, 3, 7, 4]
    do {
      try await wire.send(frames + Self.frame(6, 0, 0, ping))
      while true {
        let frame = try await frame()
        switch frame.type {
        case 3, 7: return true
        case 6 where frame.flags & 1 == 1 && frame.payload == ping: return false
        default: continue
        }
      }
    } catch  where Attack.isEnd(error) { return true }
  }

  struct Reset: Error, CustomStringConvertible {
    var description: String { "the stream was reset" }
  }
}
