import Fuzzing
import NIOCore

@testable import PalanaEgress

/// Bodies of Git's requests.
extension FuzzTarget {
  private static let zero = String(repeating: "0", count: 40)
  private static let one = String(repeating: "1", count: 40)

  private static func packets(_ lines: [String], _ rest: String = "") -> String {
    var buffer = ByteBuffer()
    for line in lines { PktLine.write(Array(line.utf8), into: &buffer) }
    return String(buffer: buffer) + rest
  }

  /// One reading of a push, however it is cut, and only names of refs that Git takes; one reading of a fetch as well.
  static let packets = FuzzTarget(
    name: "packets", count: 6_000,
    texts: [
      packets(["\(zero) \(one) refs/heads/main\u{0} report-status side-band-64k\n", "\(one) \(zero) refs/tags/v1\n"], "0000PACK"),
      packets(["shallow \(one)\n", "\(one) \(one) refs/heads/a\u{0}atomic"], "0000"), packets(["push-cert\u{0} x\n"]),
      packets(["command=ls-refs\n"], "0001" + packets(["peel\n"], "0000")), packets(["want \(one) ofs-delta\n"], "00000009done\n"),
    ]
  ) { bytes in
    if let problem = same(bytes, pushed) ?? same(bytes, fetched) { return problem }
    var push = ReceivePackCommands()
    guard (try? push.advance(over: ByteBuffer(bytes: bytes))) == true else { return nil }
    guard push.position <= bytes.count else { return "it ends at \(push.position) of \(bytes.count)" }
    for command in push.commands {
      let parts = command.ref.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.first == "refs", parts.count > 1, !parts.contains(""), !command.ref.contains("..") else { return "a ref \(command.ref)" }
      guard command.ref.utf8.allSatisfy({ $0 > 32 && $0 != 127 }) else { return "a ref \(command.ref)" }
    }
    guard let report = ReceivePackReport.body(push, reason: "reason", explanation: "why") else { return nil }
    var position = 0
    while let (_, end) = try? PktLine.read(report.readableBytesUInt8Span, at: position) { position = end }
    return position == report.readableBytes ? nil : "the report is not made of packets"
  }

  private static func pushed(_ pieces: [ArraySlice<UInt8>]) -> String {
    var push = ReceivePackCommands()
    var body = ByteBuffer()
    do {
      for piece in pieces {
        body.writeBytes(piece)
        if try push.advance(over: body) { break }
      }
      return push.isDone ? "\(push)" : "more"
    } catch {
      return "\(error)"
    }
  }

  private static func fetched(_ pieces: [ArraySlice<UInt8>]) -> UploadPackRequest.Action? {
    var request = UploadPackRequest()
    for piece in pieces { request.take(ByteBuffer(bytes: piece)) }
    request.finish()
    return request.action
  }
}
