import Fuzzing
import NIOCore
import NIOHPACK
import PalanaPolicy

@testable import PalanaEgress

/// Messages of HTTP/1.1: one meaning only, here and at the next hop.
extension FuzzTarget {
  static let request = FuzzTarget(
    name: "request", count: 4_000,
    texts: [
      "POST http://allowed.test/a?b=c HTTP/1.1\r\nhost: allowed.test\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello",
      "POST /a HTTP/1.1\r\nhost: allowed.test\r\ntransfer-encoding: chunked\r\n\r\n5;e=1\r\nhello\r\n0\r\nt: 1\r\n\r\n",
      "GET / HTTP/1.0\r\nhost: [::1]:80\r\nconnection: close, x\r\nexpect: 100-continue\r\n\r\n",
      "GET /ws HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n",
    ]
  ) { bytes in
    same(bytes) { meaning($0, isRequest: true) } ?? forwarded(bytes)
  }

  static let response = FuzzTarget(
    name: "response", count: 4_000,
    texts: [
      "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "HTTP/1.0 302 Found\r\nlocation: /x\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\nuntil the end",
    ]
  ) { bytes in
    same(bytes) { meaning($0, isRequest: false) } ?? handedOn(bytes)
  }

  private static let limits: EgressLimits = {
    var limits = EgressLimits()
    limits.headerBytes = 512
    return limits
  }()

  /// What a message means: its framing and contents, or that it is refused.
  private static func meaning(_ pieces: [ArraySlice<UInt8>], isRequest: Bool) -> String {
    var scanner = HeadScanner()
    var buffer = ByteBuffer()
    var decoder: BodyDecoder?
    var contents: [UInt8] = []
    do {
      for piece in pieces {
        buffer.writeBytes(piece)
        if decoder == nil, let length = try scanner.scan(buffer, limit: limits.headerBytes),
          let slice = buffer.readSlice(length: length)
        {
          let framing =
            isRequest
            ? try RequestHead(slice, limits: limits).framing : try ResponseHead(slice, isHead: false, limits: limits).framing
          decoder = BodyDecoder(framing, overheadLimit: 64)
        }
        while decoder?.isDone == false {
          guard case .contents(let part)? = try decoder?.next(&buffer) else { break }
          contents += Array(buffer: part)
        }
      }
    } catch { return "refused" }
    return "\(decoder?.isDone == true) \(contents)"
  }

  /// The head at the front of some bytes.
  private static func head(_ bytes: [UInt8]) -> ByteBuffer? {
    var scanner = HeadScanner()
    var buffer = ByteBuffer(bytes: bytes)
    guard let length = try? scanner.scan(buffer, limit: limits.headerBytes) else { return nil }
    return buffer.readSlice(length: length)
  }

  /// Whether the bytes are one head and nothing else.
  static func isOneHead(_ bytes: ByteBuffer) -> Bool {
    var scanner = HeadScanner()
    return (try? scanner.scan(bytes, limit: .max)) == bytes.readableBytes
  }

  /// What an upstream gets of a request means there what it means here, in both protocols.
  private static func forwarded(_ bytes: [UInt8]) -> String? {
    guard let slice = head(bytes), let head = try? RequestHead(slice, limits: limits),
      let target = try? RequestTarget.parse(head.fields.text(head.target), encodedSlashes: .kept), (try? HeaderPolicy.check(head)) != nil
    else { return nil }
    var written = ByteBuffer()
    UpstreamHead.write(
      head, target: target, host: "allowed.test", framing: head.framing, injection: InjectionPlan(), isUpgrade: false, isScrubbed: true,
      into: &written)
    guard isOneHead(written) else { return "it is sent on as something else than one head" }
    guard let again = try? RequestHead(written, limits: EgressLimits()) else { return "what is sent on cannot be read" }
    guard again.framing == head.framing else { return "\(head.framing) is sent on as \(again.framing)" }
    guard again.fields.text(again.method) == head.fields.text(head.method) else { return "the method is another one" }
    let hosts = again.fields.fields.filter { $0.known == .host }.map { again.fields.text($0.value) }
    guard hosts == ["allowed.test"] else { return "the host is \(hosts)" }
    let fields = HTTP2Fields.request(again, scheme: "https", acceptsTrailers: false)
    guard fields.allSatisfy({ $0.name.utf8.first == 58 || HTTP2Text.isName($0.name) }) else { return "a name that HTTP/2 has not" }
    return fields.allSatisfy { HTTP2Text.isValue($0.value) } ? nil : "a value that HTTP/2 has not"
  }

  /// What an agent gets of a response means there what it means here, in both protocols.
  private static func handedOn(_ bytes: [UInt8]) -> String? {
    guard let slice = head(bytes), let head = try? ResponseHead(slice, isHead: false, limits: limits), head.status >= 200 else {
      return nil
    }
    var written = ByteBuffer()
    ClientHead.write(head, framing: head.framing, closes: true, isUpgrade: false, into: &written)
    guard isOneHead(written) else { return "it is handed on as something else than one head" }
    guard let again = try? ResponseHead(written, isHead: false, limits: EgressLimits()) else { return "what is handed on cannot be read" }
    guard again.status == head.status, again.framing == head.framing else { return "it is handed on as something else" }
    let fields = HTTP2Fields.response(head, status: head.status, length: .asStated)
    guard let over2 = try? HTTP2ResponseHead.bytes(fields, limits: EgressLimits()), isOneHead(over2),
      let read = try? ResponseHead(over2, isHead: false, limits: EgressLimits())
    else { return "over HTTP/2 it cannot be read" }
    return read.status == head.status ? nil : "over HTTP/2 it is handed on as something else"
  }
}
