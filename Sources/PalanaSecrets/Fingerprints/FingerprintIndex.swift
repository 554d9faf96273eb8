/// Finds the forms of many values in one pass over some bytes.
///
/// A form that covers several places in a row shows at each of them, so only one place in so many is looked at (Wu and Manber's idea):
/// one in eight where the shortest form has fifteen bytes. A bitmap answers for nearly every one, by one multiplication of the eight
/// bytes there, that they are nowhere near the beginning of a form; where they may be, another one answers for each place. The time is
/// linear in the bytes whatever they are: at a place where one may begin, eight bytes at a time are compared, and forms that could
/// overlap themselves are not looked for whole (``SecretForms``).
package final class FingerprintIndex: Sendable {
  /// A form that stands somewhere.
  package struct Match: Hashable, Sendable {
    package var range: Range<Int>
    /// Which value it is of, by its place in the list that the index was made from.
    package var value: Int
  }

  /// What a pass has found.
  package struct Findings {
    /// In the order of their beginnings; they may overlap.
    package var matches: [Match] = []
    /// Bytes that are settled: behind them a form may have begun.
    package var settled: Int
  }

  private let key: FingerprintKey
  private let bitmap: [UInt64]
  /// From a product to the number of its bit.
  private let shift: UInt64
  /// How far the places are apart that are looked at first.
  private let stride: Int
  /// The eight bytes at each of the first ``stride`` places of every form.
  private let openings: [UInt64]
  private let openingShift: UInt64
  /// The first entry with a window, by open addressing; -1 is free.
  private let slots: [Int32]
  private let entries: [Entry]
  /// Of each entry, apart from it so that looking for one touches nothing else.
  private let windows: [UInt64]
  /// Sorted, by the number of bytes less one.
  private let prefixes: [[UInt32]]

  private struct Entry {
    var value: Int
    var form: FormFingerprint
    /// The next entry with the same window, or -1.
    var next: Int32 = -1
  }

  package init(_ values: [ValueFingerprint], key: FingerprintKey) {
    self.key = key
    var entries: [Entry] = []
    for (index, value) in values.enumerated() { entries += value.forms.map { Entry(value: index, form: $0) } }
    // One place in five hundred gives a false alarm, with more than thirty thousand forms more; a map stays within 2 MiB.
    let bits = min(Self.log2(entries.count) + 9, 24)
    shift = UInt64(64 - bits)
    var bitmap = [UInt64](repeating: 0, count: 1 << (bits - 6))
    let mask = (1 << (Self.log2(entries.count) + 1)) - 1
    var slots = [Int32](repeating: -1, count: mask + 1)
    for index in entries.indices {
      let window = entries[index].form.window
      let bit = window >> (FingerprintKey.windowBits - UInt64(bits))
      bitmap[Int(bit >> 6)] |= 1 << (bit & 63)
      var slot = Int(truncatingIfNeeded: window) & mask
      while slots[slot] >= 0, entries[Int(slots[slot])].form.window != window { slot = (slot + 1) & mask }
      entries[index].next = slots[slot]
      slots[slot] = Int32(index)
    }
    stride = Self.stride(entries.map(\.form))
    (openings, openingShift) = Self.openings(entries.map(\.form), stride: stride)
    self.bitmap = bitmap
    self.slots = slots
    self.entries = entries
    windows = entries.map(\.form.window)
    prefixes = (0..<7).map { length in Array(Set(entries.map { $0.form.prefixes[length] })).sorted() }
  }

  /// Each of so many places must have eight bytes of the form behind it.
  private static func stride(_ forms: [FormFingerprint]) -> Int { min(8, max(1, (forms.map(\.length).min() ?? 8) - 7)) }

  /// One place in thirty gives a false alarm, which costs no more than looking at each.
  private static func openings(_ forms: [FormFingerprint], stride: Int) -> (bitmap: [UInt64], shift: UInt64) {
    let bits = UInt64(min(log2(forms.count * stride) + 5, Int(FingerprintKey.openingBits)))
    var bitmap = [UInt64](repeating: 0, count: 1 << (bits - 6))
    for form in forms {
      let first = form.window >> (FingerprintKey.windowBits - bits)
      let others = form.openings.prefix(stride - 1).map { UInt64($0) >> (FingerprintKey.openingBits - bits) }
      for bit in [first] + others { bitmap[Int(bit >> 6)] |= 1 << (bit & 63) }
    }
    return (bitmap, 64 - bits)
  }

  /// A power of two, at least eight, that is not smaller.
  private static func log2(_ count: Int) -> Int { max(3, Int.bitWidth - max(count - 1, 1).leadingZeroBitCount) }

  package var isEmpty: Bool { entries.isEmpty }

  /// Looks through `bytes`.
  ///
  /// - Parameter isFinal: whether nothing follows; then everything is settled.
  package func scan(_ bytes: Span<UInt8>, isFinal: Bool) -> Findings {
    guard !isEmpty else { return Findings(settled: bytes.count) }
    // The buffer is only read, does not escape, and every load stays within its count.
    return unsafe bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return Findings(settled: 0) }
      return unsafe scan(base, buffer.count, isFinal)
    }
  }

  private func scan(_ base: UnsafeRawPointer, _ count: Int, _ isFinal: Bool) -> Findings {
    var findings = Findings(settled: count)
    var position = 0
    while let place = unsafe candidate(base, from: position, to: count - 7) {
      position = place + 1
      let begun = unsafe note(&findings.matches, base, place, count)
      // It is looked at again, together with what comes.
      if begun, !isFinal {
        if findings.matches.last?.range.lowerBound == place { findings.matches.removeLast() }
        findings.settled = place
        return findings
      }
    }
    guard !isFinal else { return findings }
    for length in Swift.stride(from: min(7, count), to: 0, by: -1) {
      let prefix = unsafe key.prefix(base.word(at: count - length, count: length))
      if Self.contains(prefixes[length - 1], prefix) {
        findings.settled = count - length
        break
      }
    }
    return findings
  }

  /// The next place where a form may begin.
  private func candidate(_ base: UnsafeRawPointer, from start: Int, to end: Int) -> Int? {
    guard stride > 1 else { return unsafe first(in: bitmap, shift, base, from: start, to: end, every: 1) }
    var low = start
    while low + stride <= end {
      guard let place = unsafe first(in: openings, openingShift, base, from: low + stride - 1, to: end, every: stride) else {
        // Behind the last place that was looked at.
        low += ((end - low) / stride) * stride
        break
      }
      if let found = unsafe first(in: bitmap, shift, base, from: max(low, place - stride + 1), to: place + 1, every: 1) {
        return found
      }
      low = place + 1
    }
    return unsafe first(in: bitmap, shift, base, from: low, to: end, every: 1)
  }

  /// The first of the places that a bitmap does not exclude.
  @inline(__always)
  private func first(
    in bitmap: [UInt64], _ shift: UInt64, _ base: UnsafeRawPointer, from start: Int, to end: Int, every step: Int
  ) -> Int? {
    let multiplier = key.windowMultiplier
    return unsafe bitmap.withUnsafeBufferPointer { bitmap in
      var place = start
      while place < end {
        let bit = (unsafe base.word(at: place) &* multiplier) &>> shift
        // A product has as many high bits as the bitmap has bits, so the index is within it.
        if unsafe bitmap[Int(truncatingIfNeeded: bit &>> 6)] & (1 &<< (bit & 63)) != 0 { return place }
        place &+= step
      }
      return nil
    }
  }

  /// Adds the longest form that stands at `place`.
  /// - Returns: whether another one has begun there that may go on behind the bytes.
  private func note(_ matches: inout [Match], _ base: UnsafeRawPointer, _ place: Int, _ count: Int) -> Bool {
    let window = unsafe key.window(base.word(at: place))
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: window) & mask
    while slots[slot] >= 0, windows[Int(slots[slot])] != window { slot = (slot + 1) & mask }
    var next = slots[slot]
    var begun = false
    var longest: Entry?
    while next >= 0 {
      let entry = entries[Int(next)]
      next = entry.next
      switch unsafe entry.form.likeness(base + place, available: count - place, key: key) {
      case .none: continue
      case .begun: begun = true
      case .whole: if entry.form.length > longest?.form.length ?? 0 { longest = entry }
      }
    }
    if let longest { matches.append(Match(range: place..<(place + longest.form.length), value: longest.value)) }
    return begun
  }

  private static func contains(_ sorted: [UInt32], _ value: UInt32) -> Bool {
    var low = 0
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low < sorted.count && sorted[low] == value
  }
}
