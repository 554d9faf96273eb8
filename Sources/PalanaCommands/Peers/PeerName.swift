import PalanaCore

/// The name of the rule between two agents.
enum PeerName {
  /// `FROM-to-TO` where that fits a name, otherwise both shortened with a mark made of the whole.
  /// - Throws: ``PalanaError`` with code `invalid` when one is no agent's name.
  static func text(from: String, to: String) throws(PalanaError) -> String {
    let from = try ResourceName(from).text
    let to = try ResourceName(to).text
    let whole = "\(from)-to-\(to)"
    guard whole.utf8.count > 40 else { return whole }
    // FNV-1a: tells pairs apart, decides nothing.
    let mark = whole.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
    func cut(_ name: String) -> String { String(name.prefix(13)) }
    return "\(cut(from))-to-\(cut(to))-" + String(mark, radix: 16)
  }
}
