import PalanaCore
import Testing

@testable import PalanaPolicy

/// The meaning of a glob, written as simply as possible; exponential, so only for small texts.
private func naiveMatch(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
  guard let first = pattern.first else { return text.isEmpty }
  let star = UInt8(ascii: "*")
  if first == star, pattern.dropFirst().first == star {
    for end in text.startIndex...text.endIndex where naiveMatch(pattern.dropFirst(2), text[end...]) { return true }
    return false
  }
  if first == star {
    for end in text.startIndex...text.endIndex {
      if naiveMatch(pattern.dropFirst(), text[end...]) { return true }
      if end < text.endIndex, text[end] == UInt8(ascii: "/") { return false }
    }
    return false
  }
  return text.first == first && naiveMatch(pattern.dropFirst(), text.dropFirst())
}

@Suite struct PathPatternTests {
  @Test(arguments: [
    ("/", "/", true), ("/", "/a", false), ("/a", "/a", true), ("/a", "/a/", false), ("/a", "/A", false),
    ("/**", "/", true),
    ("/**", "/a/b/c", true), ("/repos/**", "/repos/", true), ("/repos/**", "/repos/a/b", true),
    ("/repos/**", "/repos", false),
    ("/repos/**", "/reposx/a", false), ("/repos**", "/repos", true), ("/*", "/", true), ("/*", "/a", true),
    ("/*", "/a/b", false),
    ("/v1/*/items", "/v1/x/items", true), ("/v1/*/items", "/v1//items", true), ("/v1/*/items", "/v1/x/y/items", false),
    ("/v1/**/items", "/v1/x/y/items", true), ("/v1/**/items", "/v1/items", false), ("/v1/*.json", "/v1/a.json", true),
    ("/v1/*.json", "/v1/a.jsonx", false), ("/v1/*.json", "/v1/.json", true), ("/a*b*c", "/aXbYc", true),
    ("/a*b*c", "/abc", true),
    ("/a*b*c", "/a/b/c", false), ("/a**c", "/a/b/c", true), ("/**/x/*", "/a/b/x/c", true),
    ("/**/x/*", "/a/b/x/c/d", false),
    ("/%41", "/A", true), ("/%c3%a9", "/%C3%A9", true), ("/a%20b", "/a%20b", true), ("/repos/**", "*", false),
    ("/**", "*", false),
  ])
  func matches(pattern: String, path: String, expected: Bool) throws {
    #expect(try PathPattern.parse(pattern).matches(path) == expected)
  }

  @Test(arguments: [
    "", "a", "*", "**", "repos/**", "/a/***", "/****", "/a?b", "/a#b", "/a b", "/a/../b", "/%2e%2e/", "/é",
    "/a\\b", "/%zz",
    "/" + String(repeating: "a", count: 1024),
  ])
  func refusedWhenWritten(pattern: String) {
    let error = #expect(throws: PalanaError.self) { try PathPattern.parse(pattern) }
    #expect(error?.code == .invalid)
  }

  @Test func agreesWithTheNaiveMatcher() throws {
    var random = SeededGenerator(4)
    var positive = 0
    for round in 0..<30_000 {
      // Every third pattern is longer than one word of the automaton.
      let filler = round % 3 == 0 ? String(repeating: "ab/", count: 25) : ""
      let text = "/" + filler + random.text(["a", "b", "/", "*", "**"], length: 8)
      guard let pattern = try? PathPattern.parse(text) else { continue }
      for _ in 0..<4 {
        let path = "/" + (Bool.random(using: &random) ? filler : "") + random.text(["a", "b", "/"], length: 9)
        let expected = naiveMatch(Array(pattern.description.utf8)[...], Array(path.utf8)[...])
        #expect(pattern.matches(path) == expected, "\(pattern) \(path)")
        positive += expected ? 1 : 0
      }
    }
    #expect(positive > 1000)
  }

  /// Patterns that make backtracking matchers explode: the work here is bounded by their lengths.
  @Test func hostilePairsEnd() throws {
    let path = "/" + String(repeating: "a", count: 30_000)
    for text in [
      "/" + String(repeating: "*a", count: 400) + "b", "/" + String(repeating: "**a", count: 300) + "b",
      "/**" + String(repeating: "a", count: 900) + "*b",
    ] {
      #expect(!(try PathPattern.parse(text).matches(path)))
    }
    #expect(try PathPattern.parse("/" + String(repeating: "*a", count: 400) + "*").matches(path))
  }
}

@Suite struct MethodSetTests {
  @Test func readsAndMatches() throws {
    let set = try MethodSet(["get", "POST", "GET"])
    #expect(set.methods == ["GET", "POST"])
    #expect(set.contains("GET"))
    #expect(!set.contains("get"))
    #expect(!set.contains("HEAD"))
    #expect(set.containsIgnoringCase("pOsT"))
    #expect(MethodSet.any.contains("anything"))
    #expect(try MethodSet([]).isAny)
  }

  @Test(arguments: [
    "", "G T", "GET\n", "GÉT", "GET/", "CONNECT", "connect", String(repeating: "A", count: 33), "*/*", "\"GET\"",
  ])
  func refusedWhenWritten(method: String) {
    #expect(throws: PalanaError.self) { try MethodSet([method]) }
  }
}
