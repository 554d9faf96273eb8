/// A function that reads bytes of somebody else, with what must hold for any bytes. That it never traps goes without
/// saying: a trap ends the test run.
///
/// The same targets are run by `./test` for a fixed count, and by libFuzzer as long as one likes (`scripts/fuzz`).
package struct FuzzTarget: Sendable, CustomStringConvertible {
  package let name: String
  /// How many mutations `./test` makes: about two seconds' worth.
  package let count: Int
  /// Well-formed inputs, from which the mutations start. The files of Fuzz/Corpus/NAME are added to them.
  package let seeds: [[UInt8]]
  /// - Returns: what does not hold, in words; nil when all does.
  package let problem: @Sendable ([UInt8]) -> String?

  package init(name: String, count: Int = 20_000, seeds: [[UInt8]], _ problem: @escaping @Sendable ([UInt8]) -> String?) {
    self.name = name
    self.count = count
    self.seeds = seeds
    self.problem = problem
  }

  package init(name: String, count: Int = 20_000, texts: [String], _ problem: @escaping @Sendable ([UInt8]) -> String?) {
    self.init(name: name, count: count, seeds: texts.map { Array($0.utf8) }, problem)
  }

  package var description: String { name }

  /// What a parser says of some bytes, whether they come at once or in pieces.
  package static func same<Reading: Equatable>(_ bytes: [UInt8], _ read: ([ArraySlice<UInt8>]) -> Reading) -> String? {
    let whole = read([bytes[...]])
    for step in [1, 7] {
      let pieces = stride(from: 0, to: bytes.count, by: step).map { bytes[$0..<min($0 + step, bytes.count)] }
      let inPieces = read(pieces)
      guard inPieces == whole else { return "\(whole) at once, but \(inPieces) in pieces of \(step)" }
    }
    return nil
  }
}
