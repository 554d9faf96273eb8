import NIOCore

/// The answer of a server that takes none of the refs of a push, so that git shows the reason beside each of them.
enum ReceivePackReport {
  static let contentType = "application/x-git-receive-pack-result"
  /// What a reason may hold in bytes.
  private static let longestReason = 400

  /// The body; nil when the client has not asked for a report.
  ///
  /// - Parameters:
  ///   - reason: from the closed list.
  ///   - explanation: for people; shown by git as a line of the remote.
  static func body(_ push: ReceivePackCommands, reason: String, explanation: String) -> ByteBuffer? {
    guard !push.commands.isEmpty, push.capabilities.contains(where: { $0 == "report-status" || $0 == "report-status-v2" })
    else { return nil }
    let isWide = push.capabilities.contains("side-band-64k")
    let hasBands = isWide || push.capabilities.contains("side-band")
    let sentence = line(explanation)
    var report = ByteBuffer()
    PktLine.write(Array("unpack ok\n".utf8), into: &report)
    for command in push.commands {
      let shown = hasBands ? reason : "\(reason): \(sentence)"
      PktLine.write(Array("ng \(command.ref) \(shown)\n".utf8), into: &report)
    }
    report.writeString("0000")
    guard hasBands else { return report }
    var body = ByteBuffer()
    PktLine.write([2] + Array("\(reason): \(sentence)\n".utf8), into: &body)
    let most = isWide ? PktLine.longest - 5 : 995
    while let piece = report.readBytes(length: min(most, report.readableBytes)), !piece.isEmpty {
      PktLine.write([1] + piece, into: &body)
    }
    body.writeString("0000")
    return body
  }

  private static func line(_ text: String) -> String {
    String(decoding: text.utf8.prefix(longestReason).map { $0 < 0x20 || $0 == 0x7f ? 0x20 : $0 }, as: UTF8.self)
  }
}
