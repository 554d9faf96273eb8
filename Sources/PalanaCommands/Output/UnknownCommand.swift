import ArgumentParser
import PalanaCore

/// A word where a command should stand that is none: the parser would only call it unexpected.
struct UnknownCommand {
  /// What was typed.
  let word: String
  /// Before it: `pcli`, `pcli secrets`.
  let parent: String
  /// The command that it looks like.
  let similar: String?

  /// Nil when the arguments name a command.
  init?(arguments: [String]) {
    var group: any ParsableCommand.Type = PCLI.self
    var path = "pcli"
    var rest = arguments.prefix { $0 != "--" }[...]
    while let word = rest.popFirst() {
      if ["-o", "--output", "--server", "--token-file", "--user", "--home"].contains(word) {
        rest = rest.dropFirst()
        continue
      }
      if word.hasPrefix("-") { continue }
      let children = Self.children(group)
      // A group with a default command takes arguments of its own.
      guard !children.isEmpty else { return nil }
      if let next = children.first(where: { Self.name($0) == word || $0.configuration.aliases.contains(word) }) {
        group = next
        path += " " + word
        continue
      }
      guard group.configuration.defaultSubcommand == nil, word != "help" else { return nil }
      self.word = word
      parent = path
      similar =
        children.map { (Self.name($0), Self.distance(Self.name($0), word)) }
        .filter { $0.1 <= max(1, word.count / 3) }.min { $0.1 < $1.1 }?.0
      return
    }
    return nil
  }

  /// Wrong usage, with the nearest command.
  var error: PalanaError {
    PalanaError(
      .invalid, "there is no command ‘\(parent) \(word.prefix(60))’",
      hint: similar.map { "did you mean ‘\(parent) \($0)’?" } ?? "see \(parent) --help")
  }

  private static func children(_ command: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
    command.configuration.subcommands
  }

  private static func name(_ command: any ParsableCommand.Type) -> String {
    command.configuration.commandName ?? String(describing: command).lowercased()
  }

  /// Levenshtein's distance.
  static func distance(_ left: String, _ right: String) -> Int {
    let (a, b) = (Array(left.utf8), Array(right.utf8.prefix(64)))
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
        diagonal = above
      }
    }
    return row[b.count]
  }
}
