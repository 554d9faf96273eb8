import NIOCore
import PalanaPolicy

/// One question of an agent, read strictly (RFC 1035 §4, RFC 6891): exactly one question, nothing compressed, at most an OPT record
/// besides, and nothing after it.
struct DNSQuestion: Hashable {
  enum Reading: Hashable {
    /// Not a question at all: no answer, so that nobody can make two resolvers talk to each other.
    case ignored
    /// It can be told that it is wrong.
    case refused(DNSQuestion, DNSCode)
    case question(DNSQuestion)
  }

  var id: UInt16
  /// RD and CD as they were sent; both are echoed.
  var flags: UInt16
  /// The question section as it was sent, with its capitals; empty when it could not be read.
  var section: [UInt8] = []
  /// The name, where it is one that a host can have.
  var host: CanonicalHost?
  var type: UInt16 = 0
  var isInternet = true
  /// Whether the agent understands EDNS: only then it gets an OPT record back.
  var hasEDNS = false

  /// The longest message that is looked at.
  static let longest = 4096

  private static let response: UInt16 = 0x8000
  private static let opcode: UInt16 = 0x7800
  private static let truncated: UInt16 = 0x0200
  private static let echoed: UInt16 = 0x0110
  private static let optType: UInt16 = 41

  static func read(_ message: ByteBuffer) -> Reading {
    var message = message
    guard message.readableBytes <= longest,
      let (id, flags, questions, answers, authorities, additional) = message.readMultipleIntegers(
        as: (UInt16, UInt16, UInt16, UInt16, UInt16, UInt16).self),
      flags & response == 0
    else { return .ignored }
    var question = DNSQuestion(id: id, flags: flags & echoed)
    guard flags & opcode == 0 else { return .refused(question, .notImplemented) }
    guard flags & truncated == 0, questions == 1, answers == 0, authorities == 0, additional <= 1 else {
      return .refused(question, .formatError)
    }
    guard let section = readSection(&message, &question) else { return .refused(question, .formatError) }
    question.section = section
    if additional == 1 {
      guard let version = readOptions(&message) else { return .refused(question, .formatError) }
      question.hasEDNS = true
      guard version == 0 else { return .refused(question, .badVersion) }
    }
    guard message.readableBytes == 0 else { return .refused(question, .formatError) }
    return .question(question)
  }

  /// The one question: its bytes; what is in them goes into `question`.
  private static func readSection(_ message: inout ByteBuffer, _ question: inout DNSQuestion) -> [UInt8]? {
    var section: [UInt8] = []
    var name: [UInt8] = []
    var isText = true
    while true {
      guard let length = message.readInteger(as: UInt8.self) else { return nil }
      section.append(length)
      if length == 0 { break }
      // Two high bits say that the name goes on elsewhere, which nobody needs for a first name.
      guard length <= 63, let label = message.readBytes(length: Int(length)), section.count + label.count < 255 else {
        return nil
      }
      section += label
      if !name.isEmpty { name.append(UInt8(ascii: ".")) }
      // A dot inside a label would look like the border of two.
      if label.contains(where: { $0 == UInt8(ascii: ".") || $0 >= 0x80 }) { isText = false }
      name += label
    }
    guard let (type, kind) = message.readMultipleIntegers(as: (UInt16, UInt16).self) else { return nil }
    for number in [type, kind] { section += [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)] }
    if isText { question.host = try? CanonicalHost.parse(String(decoding: name, as: UTF8.self)) }
    question.type = type
    question.isInternet = kind == 1
    return section
  }

  /// The OPT record (RFC 6891 §6.1.2): its version; nil when there is another record or a broken one.
  private static func readOptions(_ message: inout ByteBuffer) -> UInt8? {
    guard
      let (root, type, _, _, version, _, length) = message.readMultipleIntegers(
        as: (UInt8, UInt16, UInt16, UInt8, UInt8, UInt16, UInt16).self),
      root == 0, type == optType, var options = message.readSlice(length: Int(length))
    else { return nil }
    while options.readableBytes > 0 {
      guard options.readInteger(as: UInt16.self) != nil, let size = options.readInteger(as: UInt16.self),
        options.readSlice(length: Int(size)) != nil
      else { return nil }
    }
    return version
  }
}

/// Types of records that are told apart.
enum DNSType {
  static let address: UInt16 = 1
  static let pointer: UInt16 = 12
  static let any: UInt16 = 255

  /// Questions about zones or transactions, not about names: IXFR, AXFR and the like, and the types of RFC 6895 §3.1.
  static func isMeta(_ type: UInt16) -> Bool { (128..<255).contains(type) || type == 0 || type == 41 }

  /// For people.
  static func name(_ type: UInt16) -> String {
    switch type {
    case 1: "A"
    case 5: "CNAME"
    case 6: "SOA"
    case 2: "NS"
    case 12: "PTR"
    case 15: "MX"
    case 16: "TXT"
    case 28: "AAAA"
    case 33: "SRV"
    case 64: "SVCB"
    case 65: "HTTPS"
    case 255: "ANY"
    default: "TYPE\(type)"
    }
  }
}

/// How a question is answered (RFC 1035 §4.1.1, RFC 6891 §9).
enum DNSCode: UInt16, Hashable {
  case noError = 0
  case formatError = 1
  case serverFailure = 2
  case noSuchName = 3
  case notImplemented = 4
  case refused = 5
  /// With the upper bits in the OPT record.
  case badVersion = 16
}
