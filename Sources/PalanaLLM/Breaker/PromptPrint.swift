/// What is new in a prompt, in 64 small numbers that are nearly the same for nearly the same text.
///
/// Min-hash with one permutation: each three words in a row (``WordReader``) are one feature, whose number falls into one of 64 bins; a bin
/// keeps its smallest. Of two texts, the share of bins that agree estimates the share of features that they have in common (Jaccard), with
/// a standard error of about 4 % where it matters. At ``threshold`` a text of fewer than some 60 words must be the same but for numbers; of
/// a longer one about one word in 60 may be another.
///
/// Of a long text its beginning, its end and its length are compared. Which tools were called just before, with which arguments, must be the
/// same but for numbers: that a tool answers ‘ok’ to different calls is no repeat.
struct PromptPrint: Hashable, Sendable {
  static let threshold = 0.9
  /// How many bytes of text are read.
  static let budget = 8 << 10

  /// Zero: nothing fell into the bin.
  var bins: SIMD64<UInt16>
  /// Of the calls of tools that the prompt answers.
  var calls: UInt64
  /// Bytes of the text.
  var length: Int

  /// Whether there is something to compare.
  var isEmpty: Bool { bins == .zero }

  func isNear(_ other: Self) -> Bool {
    guard calls == other.calls else { return false }
    if max(length, other.length) > Self.budget, abs(length - other.length) > max(length, other.length) / 10 { return false }
    let same = (bins .== other.bins) .& (bins .!= 0)
    let any = (bins | other.bins) .!= 0
    let (common, all) = (Self.count(same), Self.count(any))
    return all > 0 && Double(common) >= Self.threshold * Double(all)
  }

  private static func count(_ mask: SIMDMask<SIMD64<Int16>>) -> Int {
    Int(SIMD64<Int16>.zero.replacing(with: 1, where: mask).wrappedSum())
  }
}

/// Makes a ``PromptPrint`` of text that comes in pieces.
struct PromptPrinter {
  private var words = WordReader()
  private var smallest = [UInt32](repeating: .max, count: 64)
  private var before: (UInt64, UInt64) = (0, 0)
  /// How many words came in a row.
  private var count = 0
  private var left = PromptPrint.budget
  private var length = 0

  /// Pieces that come first are read with preference.
  mutating func add(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
    length &+= range.count
    let (head, tail) = bytes.ends(of: range, budget: left)
    left -= head.count + tail.count
    read(bytes, head)
    guard !tail.isEmpty else { return }
    // What stands between them is not there: no words are together over the gap.
    if count > 2 { count = 0 }
    read(bytes, tail)
  }

  private mutating func read(_ bytes: borrowing Span<UInt8>, _ range: Range<Int>) {
    guard !range.isEmpty else { return }
    var (words, before, count) = (words, before, count)
    words.read(bytes, range) { word in
      count &+= 1
      // The first two words have nothing before them: they count when there are no three.
      if count > 2 { keep(Self.feature(before.0, before.1, word)) }
      before = (before.1, word)
    }
    (self.words, self.before, self.count) = (words, before, count)
  }

  private static func feature(_ first: UInt64, _ second: UInt64, _ third: UInt64) -> UInt64 {
    ((first.mixed ^ second) &* 0x9e37_79b9_7f4a_7c15 ^ third).mixed
  }

  private mutating func keep(_ feature: UInt64) {
    let bin = Int(feature >> 58)
    let value = UInt32(truncatingIfNeeded: feature)
    if value < smallest[bin] { smallest[bin] = value }
  }

  /// - Parameter calls: a number for the calls of tools that the prompt answers.
  mutating func finish(calls: UInt64) -> PromptPrint {
    if count > 0, smallest.allSatisfy({ $0 == .max }) { keep(Self.feature(0, before.0, before.1)) }
    var bins = SIMD64<UInt16>.zero
    for bin in 0..<64 where smallest[bin] != .max { bins[bin] = UInt16(truncatingIfNeeded: smallest[bin]) | 1 }
    return PromptPrint(bins: bins, calls: calls, length: length)
  }
}
