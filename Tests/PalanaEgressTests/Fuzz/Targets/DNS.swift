import Fuzzing
import NIOCore
import PalanaPolicy

@testable import PalanaEgress

/// Questions of agents to the resolver.
extension FuzzTarget {
  private static let name = Array("\u{7}allowed\u{4}test\u{0}".utf8)

  /// What is read is canonical, and its answer fits into a datagram and repeats the question.
  static let dns = FuzzTarget(
    name: "dns",
    seeds: [
      [1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 1, 0, 1],
      [1, 2, 1, 0x10, 0, 1, 0, 0, 0, 0, 0, 1] + name + [0, 28, 0, 1] + [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 8, 0, 10, 0, 4, 1, 2, 3, 4],
    ]
  ) { bytes in
    let question: DNSQuestion
    let code: DNSCode
    switch DNSQuestion.read(ByteBuffer(bytes: bytes)) {
    case .ignored: return nil
    case .refused(let refused, let why): (question, code) = (refused, why)
    case .question(let read): (question, code) = (read, .noError)
    }
    if let host = question.host {
      let text = host.description
      guard (try? CanonicalHost.parse(text)) == host else { return "\(text) is read as something else" }
    }
    for record in [nil, DNSReply.Record.address(1), question.host.map { .pointer($0) }] {
      let reply = DNSReply(code: code, record: record, denial: .hostNotAllowed).write(to: question)
      // A name that an answer points to is the gateway's own, and shorter than the longest one.
      if case .pointer = record { continue }
      guard reply.readableBytes <= 512 else { return "an answer of \(reply.readableBytes) bytes" }
      guard reply.getBytes(at: 12, length: question.section.count) == question.section else { return "another question is repeated" }
    }
    return nil
  }
}
