/// The random numbers that fingerprints are made with: those of one process mean nothing to another one.
///
/// The hashes are multiplications by a secret odd number, of which the high bits count (Dietzfelbinger's scheme): a handful of
/// cycles for eight bytes, and nobody outside can choose bytes that collide.
package struct FingerprintKey: Sendable {
  private let first: UInt64
  private let later: UInt64
  private let beginning: UInt64
  private let salt: UInt64

  package init() {
    var generator = SystemRandomNumberGenerator()
    first = generator.next() | 1
    later = generator.next() | 1
    beginning = generator.next() | 1
    salt = generator.next()
  }

  /// The bits of ``window(_:)``.
  static let windowBits: UInt64 = 36

  /// The multiplier of ``window(_:)``, for loops that look at every byte.
  var windowMultiplier: UInt64 { first }

  /// Of the first eight bytes of a form: 36 bits.
  @inline(__always)
  func window(_ bytes: UInt64) -> UInt64 { (bytes &* first) &>> (64 &- Self.windowBits) }

  /// The bits of ``opening(_:)``.
  static let openingBits: UInt64 = 20

  /// Of the eight bytes that begin at the second to eighth byte of a form: the highest 20 bits of ``window(_:)``.
  func opening(_ bytes: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: (bytes &* first) &>> (64 &- Self.openingBits)) }

  /// Of any later eight bytes: eight bits, so that nearly all of what they hold stays unknown.
  @inline(__always)
  func check(_ bytes: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: (bytes &* later) &>> 56) }

  /// Of a beginning of fewer than eight bytes.
  @inline(__always)
  func prefix(_ bytes: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: (bytes &* beginning) &>> 32) }

  /// Of a whole form: SipHash with the key of the process and our own.
  func whole(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hasher = Hasher()
    hasher.combine(salt)
    unsafe hasher.combine(bytes: bytes)
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }
}

extension UnsafeRawPointer {
  /// Eight bytes as one number.
  @inline(__always)
  func word(at offset: Int) -> UInt64 {
    UInt64(littleEndian: unsafe loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// The `count` bytes (fewer than eight) at `offset` as one number.
  func word(at offset: Int, count: Int) -> UInt64 {
    var result: UInt64 = 0
    for index in 0..<count {
      result |= UInt64(unsafe load(fromByteOffset: offset + index, as: UInt8.self)) << UInt64(index * 8)
    }
    return result
  }
}
