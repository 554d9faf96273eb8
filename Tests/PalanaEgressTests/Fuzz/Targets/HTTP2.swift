import Fuzzing
import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import PalanaPolicy

@testable import PalanaEgress

/// Heads and frames of HTTP/2.
extension FuzzTarget {
  private static func fields(_ fields: [(String, String)]) -> String {
    fields.map { "\($0)\u{1f}\($1)" }.joined(separator: "\u{1e}")
  }

  private static let fetch = [(":method", "GET"), (":scheme", "https"), (":authority", "allowed.test"), (":path", "/a?b")]

  /// Fields, apart by control characters: what is taken is one head of HTTP/1.1 with nothing that was not there.
  static let http2Head = FuzzTarget(
    name: "http2-head", count: 6_000,
    texts: [
      fields(fetch + [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x-a", "b")]),
      fields([(":method", "POST")] + fetch.dropFirst() + [("content-length", "5"), ("host", "allowed.test")]),
      fields([(":method", "CONNECT"), (":protocol", "websocket")] + fetch.dropFirst()), fields([(":status", "200"), ("x", "y")]),
    ]
  ) { bytes in
    var pairs: [(String, String)] = []
    for field in bytes.split(separator: 0x1e) {
      let parts = field.split(separator: 0x1f, maxSplits: 1, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
      pairs.append((parts.first ?? "", parts.count > 1 ? parts[1] : ""))
    }
    // Not by `add`, which takes names in ASCII only.
    let headers = HPACKHeaders(pairs)
    let limits = EgressLimits()
    if let response = try? HTTP2ResponseHead.bytes(headers, limits: limits), !isOneHead(response) { return "a response is not one head" }
    for endsStream in [true, false] {
      guard let request = try? HTTP2RequestHead(headers, endsStream: endsStream, limits: limits) else { continue }
      guard isOneHead(request.bytes) else { return "it is something else than one head" }
      guard let head = try? RequestHead(request.bytes, limits: limits) else { continue }
      let method = request.websocketKey == nil ? headers[":method"].first : "GET"
      guard head.fields.text(head.method) == method, head.fields.text(head.target) == headers[":path"].first else {
        return "another request line"
      }
      let hosts = head.fields.fields.filter { $0.known == .host }.map { head.fields.text($0.value) }
      guard hosts == [headers[":authority"].first ?? headers["host"].first] else { return "the hosts are \(hosts)" }
      guard head.fields.fields.count <= headers.count + 2 else { return "there are more fields than there were" }
      guard !endsStream || head.framing == .none || head.framing == .length(0) else { return "a body that is none" }
    }
    return nil
  }

  // MARK: Frames

  private static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt8, _ payload: [UInt8] = []) -> [UInt8] {
    [0, UInt8(payload.count >> 8), UInt8(payload.count & 255), type, flags, 0, 0, 0, stream] + payload
  }

  /// GET, https, /, and an authority: by the static table of HPACK.
  private static let block: [UInt8] = [0x82, 0x87, 0x84, 0x41, 1, 97]
  private static let settings = frame(4, 0, 0) + frame(4, 1, 0)

  /// Whatever an agent sends, what the connection holds is bounded.
  static let http2Frames = FuzzTarget(
    name: "http2-frames", count: 2_000,
    seeds: [
      settings + frame(1, 5, 1, block) + frame(1, 4, 3, block) + frame(0, 0, 3, [1, 2, 3]) + frame(0, 9, 3, [1, 0, 0]),
      settings + frame(1, 0, 1, [0x82, 0x87]) + frame(9, 4, 1, [0x84, 0x41, 1, 97]) + frame(3, 0, 1, [0, 0, 0, 8]),
      settings + frame(8, 0, 0, [0, 0, 1, 0]) + frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]) + frame(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 0]),
      settings + frame(1, 4, 1, block) + frame(0, 0, 1, [7]) + frame(1, 5, 1, [0x40, 1, 120, 1, 121]) + frame(2, 0, 5, [0, 0, 0, 0, 9]),
    ]
  ) { bytes in
    Peer(.server).problem(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), bytes)
  }

  /// Whatever an upstream answers, too.
  static let http2Answers = FuzzTarget(
    name: "http2-answers", count: 2_000,
    seeds: [
      settings + frame(1, 4, 1, [0x88]) + frame(0, 1, 1, [1, 2, 3]),
      settings + frame(1, 4, 1, [0x88, 0x40, 1, 120, 1, 121]) + frame(1, 5, 1, [0x40, 1, 120, 1, 121]) + frame(1, 5, 3, [0x8d]),
      settings + frame(4, 0, 0, [0, 3, 0, 0, 0, 1, 0, 4, 0, 0, 1, 0]) + frame(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 0])
        + frame(3, 0, 3, [0, 0, 0, 7]),
      settings + frame(5, 4, 1, [0, 0, 0, 2] + block),
    ]
  ) { bytes in
    Peer(.client).problem([], bytes)
  }

  /// One end of a connection whose streams take everything and say nothing.
  private final class Peer: HTTP2Owner {
    private let mode: NIOHTTP2Handler.ParserMode
    private var began = 0

    init(_ mode: NIOHTTP2Handler.ParserMode) { self.mode = mode }

    func problem(_ opening: [UInt8], _ bytes: [UInt8]) -> String? {
      let channel = EmbeddedChannel()
      let connection = HTTP2Connection(owner: self, limits: EgressLimits().http2)
      do {
        try channel.pipeline.syncOperations.addHandlers(HTTP2Bounds.handlers(mode, limits: EgressLimits(), connection: connection))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        if mode == .client {
          for id in [1, 3] {
            let stream = HTTP2Stream(id: HTTP2StreamID(id), connection: connection)
            connection.add(stream)
            connection.send(HPACKHeaders(fetch), endsStream: id == 3, on: stream)
          }
          connection.flush()
          channel.embeddedEventLoop.run()
        }
        try channel.writeInbound(ByteBuffer(bytes: opening))
        for part in [bytes[..<(bytes.count / 2)], bytes[(bytes.count / 2)...]] where channel.isActive {
          try channel.writeInbound(ByteBuffer(bytes: part))
          channel.embeddedEventLoop.run()
        }
      } catch {}
      let held = connection.bufferedBytes
      let open = connection.streams.count
      connection.end { _ in }
      _ = try? channel.finish(acceptAlreadyClosed: true)
      guard open <= connection.limits.streams else { return "\(open) streams are open" }
      guard mode == .server || began == 0 else { return "an upstream began a stream" }
      return held <= bytes.count ? nil : "\(held) bytes of \(bytes.count) are held"
    }

    func accept(_ headers: HPACKHeaders, _ id: HTTP2StreamID, endsStream: Bool, on connection: HTTP2Connection) {
      began += 1
      connection.add(HTTP2Stream(id: id, connection: connection))
    }

    func streamClosed(_ connection: HTTP2Connection) {}
    func settingsChanged(_ connection: HTTP2Connection) {}
    func goesAway(_ connection: HTTP2Connection) {}
    func readComplete(_ connection: HTTP2Connection) {}
  }
}
