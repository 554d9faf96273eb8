/// The answers of HTTP/1 in what came. Written for hostile bytes: bounded by their number, and nothing is believed that is not there.
struct HTTPAnswers: Hashable, Sendable {
  struct Answer: Hashable, Sendable {
    var status: Int
    var body: [UInt8]

    /// Whether the gateway says in its own words that it refuses.
    var isOwnRefusal: Bool {
      let text = String(decoding: body.prefix(4096), as: UTF8.self)
      return status >= 400 && (text.contains(#""error":"egress_denied""#) || text.contains(#""error":"egress_unavailable""#))
    }

    /// The gateway's word for why.
    var reason: String? {
      let text = String(decoding: body.prefix(4096), as: UTF8.self)
      guard let start = text.firstRange(of: #""reason":""#) else { return nil }
      return String(text[start.upperBound...].prefix { $0 != "\"" })
    }
  }

  /// In the order in which they came; those of status 1xx left out.
  private(set) var all: [Answer] = []
  /// Whether something else came too.
  private(set) var hasOther = false

  init(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let answer = Self.take(&rest) else {
        hasOther = true
        return
      }
      if answer.status >= 200 || answer.status == 101 { all.append(answer) }
    }
  }

  /// Takes one answer off the front; nil: there is none.
  private static func take(_ rest: inout ArraySlice<UInt8>) -> Answer? {
    // `HTTP/1.x SSS`
    guard rest.count >= 12, rest.starts(with: "HTTP/1.".utf8) else { return nil }
    let digits = rest.dropFirst(9).prefix(3)
    guard let status = Int(String(decoding: digits, as: UTF8.self)), (100...999).contains(status) else { return nil }
    let end = headEnd(rest) ?? rest.endIndex
    let head = String(decoding: rest[..<end], as: UTF8.self).lowercased()
    rest = rest[end...]
    guard status >= 200 else { return Answer(status: status, body: []) }
    // Without a length everything is its body.
    let length = field("content-length", head).flatMap { Int($0) }
    let body = length.map { rest.prefix(max(0, $0)) } ?? rest
    rest = rest.dropFirst(body.count)
    return Answer(status: status, body: Array(body))
  }

  private static func headEnd(_ bytes: ArraySlice<UInt8>) -> Int? {
    var index = bytes.startIndex
    while let next = bytes[index...].firstIndex(of: 10) {
      let after = bytes[(next + 1)...].prefix(2)
      if after.first == 10 { return next + 2 }
      if after.elementsEqual([13, 10]) { return next + 3 }
      index = next + 1
    }
    return nil
  }

  private static func field(_ name: String, _ head: String) -> String? {
    for line in head.split(whereSeparator: \.isNewline) where line.hasPrefix(name + ":") {
      return line.dropFirst(name.count + 1).split(separator: " ").first.map(String.init)
    }
    return nil
  }
}
