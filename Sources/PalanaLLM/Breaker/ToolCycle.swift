/// Whether the last call of a tool, or the last two, three or four, come again and again.
struct ToolCycle {
  /// How many calls are looked at.
  static let mostCalls = 64
  private static let longest = 4

  /// The last first.
  private var calls: [UInt64] = []
  /// For each length of a cycle, how many calls in a row are those of one cycle before.
  private var same = [Int](repeating: 0, count: Self.longest + 1)

  /// Takes the call before those that were taken.
  mutating func add(_ call: UInt64) {
    guard calls.count < Self.mostCalls else { return }
    calls.append(call)
    for length in 1...Self.longest where calls.count == same[length] + length + 1 {
      if calls[same[length]] == call { same[length] += 1 }
    }
  }

  /// Whether calls before could make it longer.
  var isOpen: Bool {
    calls.count < Self.mostCalls && (1...Self.longest).contains { calls.count <= same[$0] + $0 }
  }

  /// How often the cycle came again.
  var count: Int { (1...Self.longest).reduce(0) { max($0, same[$1] / $1) } }
}
