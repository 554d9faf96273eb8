import ArgumentParser
import Foundation
import Testing

@testable import PalanaCommands

/// Every command line that the documentation shows must at least be one.
@Suite("pcli: command lines of the documentation")
struct DocumentationTests {
  private static var docs: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "docs")
  }

  /// The words of each `pcli` command in the `sh` blocks of a page.
  static func commands(_ page: String) -> [[String]] {
    var commands: [[String]] = []
    var isShell = false
    var end: String?
    for line in page.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
      if line.hasPrefix("```") {
        isShell = !isShell && line == "```sh"
      } else if let marker = end {
        if line == marker { end = nil }
      } else if isShell {
        if let here = line.range(of: "<<'") { end = String(line[here.upperBound...].prefix { $0 != "'" }) }
        commands += words(line).split { ["|", "||", "&&", ";"].contains($0) }.map(Array.init)
      }
    }
    return commands.filter { $0.first == "pcli" || $0.first == "./pcli" }.map { command in
      Array(command.dropFirst().prefix { ![">", ">>", "<"].contains($0) })
    }
  }

  /// Splits as a shell does, as far as the documentation needs it.
  private static func words(_ line: String) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    for character in line {
      if let open = quote {
        if character == open { quote = nil } else { word = (word ?? "") + String(character) }
      } else if character == "'" || character == "\"" {
        quote = character
        word = word ?? ""
      } else if character == " " {
        if let done = word { words.append(done) }
        word = nil
      } else if character == "#", word == nil {
        break
      } else {
        word = (word ?? "") + String(character)
      }
    }
    return words + (word.map { [$0] } ?? [])
  }

  @Test(
    "parse",
    arguments: try FileManager.default.contentsOfDirectory(atPath: docs.path).filter { $0.hasSuffix(".md") }.sorted())
  func parse(_ page: String) async throws {
    let commands = Self.commands(try String(contentsOf: Self.docs.appending(path: page), encoding: .utf8))
    for words in commands {
      do {
        _ = try await PCLI.asyncParseAsRoot(words)
      } catch {
        Issue.record("\(page): pcli \(words.joined(separator: " ")): \(PCLI.message(for: error))")
      }
    }
    if page == "cli.md" { #expect(commands.count > 50) }
  }

  @Test("the reference names every command")
  func complete() throws {
    let page = try String(contentsOf: Self.docs.appending(path: "cli.md"), encoding: .utf8)
    func check(_ command: any ParsableCommand.Type, _ path: [String]) {
      for child in command.configuration.subcommands {
        let name = child.configuration.commandName ?? ""
        let whole = (path + [name]).joined(separator: " ")
        if name != "show" || path != ["audit"] {
          #expect(
            page.contains("`\(whole)") || page.contains("pcli \(whole)") || page.contains("`\(name)`"), "\(whole)")
        }
        check(child, path + [name])
      }
    }
    check(PCLI.self, [])
  }
}
