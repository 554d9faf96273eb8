import NIOCore
import Testing

@testable import PalanaKube

@Suite struct LineSplitterTests {
  private func lines(_ pieces: [String], limit: Int = 100) throws -> [String] {
    var splitter = LineSplitter(limit: limit)
    var lines: [String] = []
    for piece in pieces {
      splitter.append(ByteBuffer(string: piece))
      while let line = try splitter.next() { lines.append(String(decoding: line, as: UTF8.self)) }
    }
    return lines
  }

  @Test(arguments: [
    (["a\nb\n"], ["a", "b"]), (["a", "b", "\n", "c\n"], ["ab", "c"]), (["\n\na\n\n"], ["a"]), (["a\nb"], ["a"]),
    (["a\n", "b\nc", "\n"], ["a", "b", "c"]), ([], []),
  ])
  func cuts(pieces: [String], expected: [String]) throws { #expect(try lines(pieces) == expected) }

  @Test func everyCutGivesTheSame() throws {
    let text = "one\ntwo\n\nthree four\n"
    for first in 0...text.count {
      for second in first...text.count {
        let pieces = [text.prefix(first), text.prefix(second).dropFirst(first), text.dropFirst(second)].map(String.init)
        #expect(try lines(pieces) == ["one", "two", "three four"])
      }
    }
  }

  @Test func longLinesAreRefusedWholeOrNot() {
    #expect(throws: KubeError.self) { try lines([String(repeating: "x", count: 101) + "\n"]) }
    #expect(throws: KubeError.self) { try lines([String(repeating: "x", count: 60), String(repeating: "x", count: 60)]) }
    #expect(throws: Never.self) { try lines([String(repeating: "x", count: 100) + "\n"]) }
  }
}
