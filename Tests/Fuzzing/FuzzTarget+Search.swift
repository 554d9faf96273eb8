import Foundation

extension FuzzTarget {
  /// Tries the seeds, what was found before, and a fixed count of mutations of both, the same in every run.
  ///
  /// - Returns: what does not hold and for which input; nil when all does.
  package func search() async -> String? {
    let seeds = seeds + corpus
    for seed in seeds { if let problem = said(of: seed) { return problem } }
    var dice = FuzzDice(name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    for number in 0..<count {
      // So that others are not kept waiting.
      if number % 100 == 0 { await Task.yield() }
      if let problem = said(of: dice.mutated(seeds.randomElement(using: &dice) ?? [])) { return problem }
    }
    return nil
  }

  /// Inputs that once broke the target stay in its folder.
  private var corpus: [[UInt8]] {
    var root = URL(filePath: #filePath)
    for _ in 0..<3 { root.deleteLastPathComponent() }
    let folder = root.appending(path: "Fuzz/Corpus/\(name)")
    let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.sorted { $0.path < $1.path }.compactMap { try? Array(Data(contentsOf: $0)) }
  }

  private func said(of bytes: [UInt8]) -> String? {
    problem(bytes).map {
      "\(name): \($0), for \(String(decoding: bytes, as: UTF8.self).debugDescription) = \(Data(bytes).base64EncodedString())"
    }
  }
}
