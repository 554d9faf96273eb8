import Testing

@testable import PalanaLLM

@Suite struct PlainPathTests {
  @Test(arguments: [
    "/", "/unified/v1/models", "/a/b/", "/a.b/.c/d./...", "/a?b=../..//%2e", "/a?", "/a/?b", "/%41/%20/%", "/a/%2", "/a%2d%5b", "", "a",
  ])
  func isPlain(_ path: String) { #expect(PlainPath.isPlain(path[...])) }

  @Test(arguments: [
    "/..", "/.", "/a/../b", "/a/./b", "/a/..?b", "/a/.?", "//a", "/a//", "/a//b?c", "/%2e%2e/a", "/a/%2E", "/a%2fb", "/a%2Fb", "/a%5cb",
    "/a%5Cb", "/a\\b", "/a?b\\c", "/a#b", "/a b", "/a\tb", "/a?b\u{7f}", "/é", "..",
  ])
  func isNot(_ path: String) { #expect(!PlainPath.isPlain(path[...])) }
}
