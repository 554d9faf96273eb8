import PalanaCore
import PalanaSecrets
import Testing

@Suite struct PlaceholderScannerTests {
  private static let own = [
    "TOKEN_A", "TOKEN_A_LONG", "ghp_PALANA0", "ghp_PALANA0EXTRA", "sk-TOKEN_INNER-x", "PALANA0EX_Y",
  ]

  /// What is found, as the text of each match with the own placeholder's index, `?` for unknown ones.
  private static func found(_ text: String, own: [String] = own) -> [String] {
    let bytes = Array(text.utf8)
    return PlaceholderScanner(own).matches(in: text).map { match in
      "\(match.placeholder.map(String.init) ?? "?"):\(String(decoding: bytes[match.range], as: UTF8.self))"
    }
  }

  @Test(arguments: [
    ("", []), ("plain text", []), ("Bearer TOKEN_A", ["0:TOKEN_A"]), ("TOKEN_A", ["0:TOKEN_A"]),
    ("TOKEN_A:TOKEN_A_LONG", ["0:TOKEN_A", "1:TOKEN_A_LONG"]),
    // The longest of two that begin alike, and the shorter one where the longer does not fit.
    ("TOKEN_A_LONG", ["1:TOKEN_A_LONG"]), ("ghp_PALANA0EXTRA", ["3:ghp_PALANA0EXTRA"]),
    ("ghp_PALANA0EXTR", ["2:ghp_PALANA0"]),
    // A standard placeholder is a whole word; with more behind it, it is somebody else's.
    ("TOKEN_AB", ["?:TOKEN_AB"]), ("TOKEN_A_LONGER", ["?:TOKEN_A_LONGER"]), ("TOKEN_A_LON", ["?:TOKEN_A_LON"]),
    ("TOKEN_ATOKEN_A", ["?:TOKEN_ATOKEN_A"]), ("TOKEN_Ab", ["0:TOKEN_A"]), ("xTOKEN_A", ["0:TOKEN_A"]),
    // Unknown ones begin a word and have something behind the beginning.
    ("TOKEN_OTHER", ["?:TOKEN_OTHER"]), ("CSRF_TOKEN_X", []), ("TOKEN_", []), ("TOKEN_x", []), ("TOKEN_ A", []),
    ("token_a", []), ("a,TOKEN_Z,b", ["?:TOKEN_Z"]), ("TOKEN_TOKEN_A", ["?:TOKEN_TOKEN_A"]),
    // A chosen one that holds the generic beginning, and one that begins inside another's failed match.
    ("sk-TOKEN_INNER-x", ["4:sk-TOKEN_INNER-x"]), ("sk-TOKEN_INNER", ["?:TOKEN_INNER"]),
    ("ghp_PALANA0EX_Y", ["2:ghp_PALANA0"]), ("PALANA0EX_Y", ["5:PALANA0EX_Y"]),
    ("ghp_ghp_PALANA0", ["2:ghp_PALANA0"]), ("TOKENTOKEN_A", ["0:TOKEN_A"]),
    ("é TOKEN_A \u{1F600}", ["0:TOKEN_A"]),
  ])
  func finds(text: String, expected: [String]) { #expect(Self.found(text) == expected) }

  @Test func anAgentWithoutPlaceholdersStillSeesUnknownOnes() {
    #expect(Self.found("x TOKEN_B y", own: []) == ["?:TOKEN_B"])
    #expect(Self.found("nothing here", own: ["", ""]) == [])
  }

  @Test func replacesEachExactlyOnce() throws {
    let scanner = PlaceholderScanner(["TOKEN_A", "TOKEN_A_LONG"])
    // The first value looks like a placeholder itself: it must stay as it is.
    let values = [Redacted("TOKEN_A_LONG"), Redacted("v2")]
    let replaced = scanner.replaceAll(in: "a TOKEN_A b TOKEN_A_LONG c TOKEN_A") { values[$0.placeholder ?? 0] }
    #expect(replaced?.reveal() == "a TOKEN_A_LONG b v2 c TOKEN_A_LONG")
    #expect(scanner.replaceAll(in: "no marker") { _ in Redacted("never") } == nil)
  }

  @Test func aRefusalStopsTheWholeText() {
    let scanner = PlaceholderScanner(["TOKEN_A"])
    let error = thrown {
      _ = try scanner.replaceAll(in: "TOKEN_A TOKEN_B") { match throws(PalanaError) in
        guard match.placeholder != nil else { throw PalanaError(.denied, "unknown") }
        return Redacted("value")
      }
    }
    #expect(error?.code == .denied)
  }

  /// The automaton against a search that tries every place and every pattern.
  @Test func agreesWithASimpleSearch() {
    var random = SeededGenerator(state: 7)
    for _ in 0..<3000 {
      let patterns = (0..<Int.random(in: 1...5, using: &random)).map { _ in Self.text(&random, 1...4) }
      let text = Self.text(&random, 0...30)
      #expect(Self.found(text, own: patterns) == Self.simple(text, patterns), "\(patterns) in \(text)")
    }
  }

  /// Time grows with the length of the text, not with its square: a hostile header of 8 MB ends in well under a minute even
  /// in a debug build.
  @Test(.timeLimit(.minutes(10))) func longHostileTextIsLinear() {
    let scanner = PlaceholderScanner([
      String(repeating: "aB_1", count: 32), String(repeating: "aB_1", count: 31) + "aB_2",
    ])
    #expect(scanner.firstMatch(in: String(repeating: "aB_1aB_", count: 300_000)) == nil)
  }

  private static func text(_ random: inout SeededGenerator, _ length: ClosedRange<Int>) -> String {
    String((0..<Int.random(in: length, using: &random)).map { _ in "abA_".randomElement(using: &random) ?? "a" })
  }

  private static func simple(_ text: String, _ patterns: [String]) -> [String] {
    let bytes = Array(text.utf8)
    var result: [String] = []
    var position = 0
    while position < bytes.count {
      let here = patterns.enumerated().filter { bytes[position...].starts(with: $0.element.utf8) }
      guard let longest = here.map({ $0.element.utf8.count }).max(),
        let match = here.first(where: { $0.element.utf8.count == longest })
      else {
        position += 1
        continue
      }
      result.append("\(match.offset):\(match.element)")
      position += longest
    }
    return result
  }
}

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
