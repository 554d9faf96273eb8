/// Finds the rules for a host by its own text and by each of its suffixes, at a cost that does not grow with the rules.
///
/// A hash table over suffixes whose hash is computed from the last byte to the first: one pass over the host gives the
/// hashes of all its suffixes, and looking one up copies nothing.
struct HostIndex: Sendable {
  /// Numbers of rules by what kind of pattern ends in the suffix, in the order of the rules.
  struct Entry: Sendable {
    let suffix: String
    let hash: UInt64
    var exact: [Int] = []
    var oneLabel: [Int] = []
    var anyLabels: [Int] = []
  }

  private var entries: [Entry] = []
  /// Position in `entries` plus one, 0: empty. A power of two, at most half full.
  private var slots: [Int32]

  init(_ patterns: [HostPattern]) {
    var capacity = 8
    while capacity < patterns.count * 2 { capacity *= 2 }
    slots = [Int32](repeating: 0, count: capacity)
    for (number, pattern) in patterns.enumerated() {
      switch pattern.form {
      case .exact(let host): entries[entry(for: host.description)].exact.append(number)
      case .oneLabel(let suffix): entries[entry(for: suffix)].oneLabel.append(number)
      case .anyLabels(let suffix): entries[entry(for: suffix)].anyLabels.append(number)
      }
    }
  }

  /// Calls `visit` with each list of rules that covers `host`.
  func forEachList(for host: CanonicalHost, _ visit: ([Int]) -> Void) {
    let bytes = host.description.utf8.span
    let isName = if case .name = host.form { true } else { false }
    var firstDot = 0
    while firstDot < bytes.count, bytes[firstDot] != UInt8(ascii: ".") { firstDot += 1 }
    var hash = Self.seed
    var index = bytes.count - 1
    while index >= 0 {
      let byte = bytes[index]
      if isName, byte == UInt8(ascii: "."), let found = find(bytes, from: index + 1, hash) {
        if index == firstDot, !entries[found].oneLabel.isEmpty { visit(entries[found].oneLabel) }
        if !entries[found].anyLabels.isEmpty { visit(entries[found].anyLabels) }
      }
      hash = Self.mix(hash, byte)
      index -= 1
    }
    if let found = find(bytes, from: 0, hash), !entries[found].exact.isEmpty { visit(entries[found].exact) }
  }

  private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325

  @inline(__always)
  private static func mix(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }

  @inline(__always)
  private func slot(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(slots.count - 1)) }

  private func find(_ bytes: borrowing Span<UInt8>, from start: Int, _ hash: UInt64) -> Int? {
    var slot = slot(hash)
    while true {
      let number = Int(slots[slot]) - 1
      if number < 0 { return nil }
      if entries[number].hash == hash, Self.equal(entries[number].suffix, bytes, start) { return number }
      slot = (slot + 1) & (slots.count - 1)
    }
  }

  private static func equal(_ text: String, _ bytes: borrowing Span<UInt8>, _ start: Int) -> Bool {
    let other = text.utf8.span
    guard other.count == bytes.count - start else { return false }
    for index in 0..<other.count where other[index] != bytes[start + index] { return false }
    return true
  }

  private mutating func entry(for suffix: String) -> Int {
    var hash = Self.seed
    for byte in suffix.utf8.reversed() { hash = Self.mix(hash, byte) }
    if let found = find(suffix.utf8.span, from: 0, hash) { return found }
    entries.append(Entry(suffix: suffix, hash: hash))
    var slot = slot(hash)
    while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = Int32(entries.count)
    return entries.count - 1
  }
}
