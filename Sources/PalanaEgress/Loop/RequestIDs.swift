/// Names for requests: unique over restarts, short enough that the text needs no allocation.
struct RequestIDs {
  private static let digits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
  private let prefix: UInt64
  private var counter: UInt64 = 0

  init() {
    var generator = SystemRandomNumberGenerator()
    prefix = generator.next()
  }

  /// Fifteen characters of Crockford's alphabet: eight random ones for this event loop and start, seven that count.
  mutating func next() -> String {
    counter &+= 1
    return unsafe String(unsafeUninitializedCapacity: 15) { target in
      for index in 0..<8 { unsafe target[index] = Self.digits[Int(prefix >> UInt64(index * 5) & 31)] }
      for index in 0..<7 { unsafe target[8 + index] = Self.digits[Int(counter >> UInt64((6 - index) * 5) & 31)] }
      return 15
    }
  }
}
