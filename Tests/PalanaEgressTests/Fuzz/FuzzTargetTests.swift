import Foundation
import Testing

/// Each parser of hostile bytes, for a fixed count of mutations that are the same in every run, and for every case that was found.
@Suite(.timeLimit(.minutes(10)))
struct EgressFuzzTargetTests {
  /// The folder of what was found: an input that once broke a target stays there.
  private static func corpus(_ target: FuzzTarget) -> [[UInt8]] {
    var root = URL(filePath: #filePath)
    for _ in 0..<4 { root.deleteLastPathComponent() }
    let folder = root.appending(path: "Fuzz/Corpus/\(target.name)")
    let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.sorted { $0.path < $1.path }.compactMap { try? Array(Data(contentsOf: $0)) }
  }

  @Test(arguments: FuzzTarget.all) func nothingBreaks(_ target: FuzzTarget) async {
    let seeds = target.seeds + Self.corpus(target)
    for seed in seeds { expect(target, seed) }
    var dice = FuzzTests.Dice(target.name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    for number in 0..<target.count {
      // So that others are not kept waiting.
      if number % 100 == 0 { await Task.yield() }
      let bytes = FuzzTests.mutate(seeds.randomElement(using: &dice) ?? [], &dice)
      guard expect(target, bytes) else { return }
    }
  }

  /// A target whose property is wrong is found out: a check that cannot fail shows nothing.
  @Test func aBrokenTargetIsNoticed() {
    let broken = FuzzTarget(name: "broken", texts: ["a"]) { $0.contains(0) ? "a zero" : nil }
    var dice = FuzzTests.Dice(1)
    #expect((0..<20_000).contains { _ in broken.problem(FuzzTests.mutate([97, 98], &dice)) != nil })
  }

  @discardableResult
  private func expect(_ target: FuzzTarget, _ bytes: [UInt8]) -> Bool {
    guard let problem = target.problem(bytes) else { return true }
    Issue.record(
      "\(target.name): \(problem), for \(String(decoding: bytes, as: UTF8.self).debugDescription) = \(Data(bytes).base64EncodedString())")
    return false
  }
}
