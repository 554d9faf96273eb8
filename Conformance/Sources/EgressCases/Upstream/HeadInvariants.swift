/// What holds for every request head that leaves the gateway: one reading only, and nothing of the agent's own hop in it.
enum HeadInvariants {
  private static let never: Set<String> = [
    "proxy-authorization", "proxy-connection", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded",
    "via", "keep-alive", "x-original-url", "x-rewrite-url", "http2-settings",
  ]

  /// - Returns: what is wrong, in words; nil: nothing.
  static func problem(_ head: String, secret: CaseTarget.Secret?) -> String? {
    let bytes = Array(head.utf8)
    for (index, byte) in bytes.enumerated() {
      if byte == 10, index == 0 || bytes[index - 1] != 13 { return "a bare line feed" }
      if byte == 13, index + 1 == bytes.count || bytes[index + 1] != 10 { return "a bare carriage return" }
      if byte < 32 && byte != 9 && byte != 10 && byte != 13 || byte == 127 { return "a control character" }
    }
    var lines = head.split(separator: "\r\n", omittingEmptySubsequences: false).dropLast(2)
    guard let first = lines.popFirst() else { return "no request line" }
    let parts = first.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[2] == "HTTP/1.1", parts[1].hasPrefix("/") || parts[1] == "*" else { return "a strange request line" }
    var counts: [String: Int] = [:]
    for line in lines {
      guard let colon = line.firstIndex(of: ":"), colon != line.startIndex else { return "a line without a name" }
      let name = line[..<colon]
      guard name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "!#$%&'*+-.^_`|~".contains($0)) }) else {
        return "a strange field name"
      }
      counts[name.lowercased(), default: 0] += 1
    }
    guard counts["host"] == 1 else { return "\(counts["host"] ?? 0) Host fields" }
    guard (counts["content-length"] ?? 0) + (counts["transfer-encoding"] ?? 0) <= 1 else { return "two framings" }
    if let name = never.sorted().first(where: { counts[$0] != nil }) { return "the field \(name)" }
    if let secret {
      if head.contains(secret.placeholder) { return "a placeholder" }
      if head.contains(secret.foreign) { return "another agent's placeholder" }
    }
    return nil
  }
}
