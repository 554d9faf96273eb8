import NIOCore
import NIOHPACK

/// HTTP/2 as somebody writes it who trusts the other side: fields become lines of HTTP/1 as they are.
struct ToyHTTP2 {
  private let wire: Wire
  private let dial: () async throws -> Wire
  private let replaced: ([UInt8]) -> [UInt8]

  init(_ wire: Wire, dial: @escaping () async throws -> Wire, replaced: @escaping ([UInt8]) -> [UInt8]) {
    self.wire = wire
    self.dial = dial
    self.replaced = replaced
  }

  func serve() async throws {
    _ = try await wire.bytes(HTTP2Wire.preface.utf8.count)
    let frames = HTTP2Wire(reading: wire)
    try await wire.send(HTTP2Wire.frame(4, 0, 0, []))
    var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
    var (block, heads, bodies): ([UInt8], [Int: HPACKHeaders], [Int: [UInt8]]) = ([], [:], [:])
    while true {
      let frame = try await frames.frame()
      switch frame.type {
      case 4 where frame.flags & 1 == 0: try await wire.send(HTTP2Wire.frame(4, 1, 0, []))
      case 6 where frame.flags & 1 == 0: try await wire.send(HTTP2Wire.frame(6, 1, 0, frame.payload))
      case 1, 9:
        block = frame.type == 1 ? frame.payload : block + frame.payload
        if frame.flags & 4 != 0 {
          var buffer = ByteBuffer(bytes: block)
          heads[frame.stream] = try decoder.decodeHeaders(from: &buffer)
        }
      case 0: bodies[frame.stream, default: []] += frame.payload
      default: continue
      }
      // Continuations carry no end of their own; the toy takes each head as whole.
      guard frame.type == 9 && frame.flags & 4 != 0 || frame.type <= 1 && frame.flags & 1 == 1, let head = heads[frame.stream] else {
        continue
      }
      heads[frame.stream] = nil
      try await answer(frame.stream, head, bodies.removeValue(forKey: frame.stream) ?? [])
    }
  }

  private func answer(_ stream: Int, _ head: HPACKHeaders, _ body: [UInt8]) async throws {
    func first(_ name: String) -> String { head.first(name: name) ?? "" }
    let lines = head.filter { !$0.name.hasPrefix(":") }.map { "\($0.name): \($0.value)\r\n" }.joined()
    let text = "\(first(":method")) \(first(":path")) HTTP/1.1\r\nhost: \(first(":authority"))\r\n\(lines)\r\n"
    let upstream = try await dial()
    try await upstream.send(replaced(Array(text.utf8) + body))
    let answer = try await upstream.answer()
    await upstream.close()
    let fields = [(":status", String(answer.status))] + answer.fields.map { ($0.name, $0.value) }
    try await wire.send(
      HTTP2Wire.frame(1, 4, stream, HTTP2Wire.block(fields)) + HTTP2Wire.frame(0, 1, stream, Array(answer.body.prefix(16_000))))
  }
}
