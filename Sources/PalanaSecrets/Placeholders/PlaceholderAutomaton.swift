/// An Aho–Corasick automaton over a few byte strings that finds the leftmost match and, there, the longest. Linear in the
/// length of the text, whatever the patterns: a hostile header cannot make it slow.
struct PlaceholderAutomaton: Sendable {
  struct Found: Hashable, Sendable {
    var range: Range<Int>
    /// Index in the list of patterns.
    var pattern: Int
  }

  /// Byte → column of the table. Bytes that occur in no pattern share column 0.
  private let classes: [UInt8]
  private let columns: Int
  /// Next state, by state and column.
  private let next: [Int32]
  /// How many bytes of the text a state stands for: the longest suffix that still may become a match.
  private let depth: [Int32]
  /// The longest pattern that ends in a state, or -1.
  private let output: [Int32]
  private let lengths: [Int]
  /// Bytes of the longest pattern.
  let longest: Int

  /// - Parameter patterns: empty ones are never found; one that occurs twice is reported under its first index.
  init(_ patterns: [[UInt8]]) {
    var classes = [UInt8](repeating: 0, count: 256)
    // Placeholders hold at most 66 different bytes, so a column fits in a byte; column 0 is everything else.
    var columns = 1
    for byte in patterns.joined() where classes[Int(byte)] == 0 && columns < 256 {
      classes[Int(byte)] = UInt8(columns)
      columns += 1
    }
    var next = [Int32](repeating: -1, count: columns)
    var depth: [Int32] = [0]
    var output: [Int32] = [-1]
    for (index, pattern) in patterns.enumerated() where !pattern.isEmpty {
      var state = 0
      for byte in pattern {
        let cell = state * columns + Int(classes[Int(byte)])
        if next[cell] < 0 {
          next[cell] = Int32(depth.count)
          next.append(contentsOf: repeatElement(-1, count: columns))
          depth.append(depth[state] + 1)
          output.append(-1)
        }
        state = Int(next[cell])
      }
      if output[state] < 0 { output[state] = Int32(index) }
    }
    // Breadth first, so that the state a failure leads to is complete when it is needed.
    var fail = [Int](repeating: 0, count: depth.count)
    var queue: [Int] = []
    for column in 0..<columns {
      if next[column] < 0 { next[column] = 0 } else { queue.append(Int(next[column])) }
    }
    var head = 0
    while head < queue.count {
      let state = queue[head]
      head += 1
      if output[state] < 0 { output[state] = output[fail[state]] }
      for column in 0..<columns {
        let cell = state * columns + column
        let fallback = next[fail[state] * columns + column]
        if next[cell] < 0 {
          next[cell] = fallback
        } else {
          fail[Int(next[cell])] = Int(fallback)
          queue.append(Int(next[cell]))
        }
      }
    }
    self.classes = classes
    self.columns = columns
    self.next = next
    self.depth = depth
    self.output = output
    lengths = patterns.map(\.count)
    longest = lengths.max() ?? 0
  }

  /// The leftmost match at or after `start`, the longest of those that begin there.
  func first(in bytes: Span<UInt8>, from start: Int) -> Found? {
    // Spans: the tables are looked at for every byte, and an array would be counted each time.
    let (classes, next, depth, output) = (classes.span, next.span, depth.span, output.span)
    var state = 0
    var best: Found?
    var index = start
    while index < bytes.count {
      state = Int(next[state * columns + Int(classes[Int(bytes[index])])])
      index += 1
      // Nothing that is still possible begins at or before the best match: it stands.
      if let best, index - Int(depth[state]) > best.range.lowerBound { return best }
      let pattern = Int(output[state])
      if pattern >= 0 {
        let range = (index - lengths[pattern])..<index
        // Ends only grow, so at the same beginning the later match is the longer one.
        if best.map({ range.lowerBound <= $0.range.lowerBound }) ?? true {
          best = Found(range: range, pattern: pattern)
        }
      }
    }
    return best
  }
}
