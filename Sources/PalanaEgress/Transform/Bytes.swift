import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Searches in bytes.
enum Bytes {
  static func contains(_ bytes: borrowing Span<UInt8>, _ byte: UInt8) -> Bool {
    // The buffer is only read and does not escape.
    unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return false }
      return unsafe memchr(base, Int32(byte), buffer.count) != nil
    }
  }

  static func contains(_ bytes: borrowing Span<UInt8>, _ text: String) -> Bool {
    firstIndex(of: text.utf8Span.span, in: bytes, from: 0) != nil
  }

  /// Where `needle` stands first, at or after `start`.
  static func firstIndex(of needle: borrowing Span<UInt8>, in bytes: borrowing Span<UInt8>, from start: Int) -> Int? {
    guard needle.count > 0, bytes.count - start >= needle.count else { return nil }
    // Both buffers are only read and do not escape.
    return unsafe bytes.withUnsafeBufferPointer { buffer in
      unsafe needle.withUnsafeBufferPointer { wanted in
        guard let base = buffer.baseAddress, let first = wanted.baseAddress else { return nil }
        let last = buffer.count - wanted.count
        var index = start
        // To each place of the first byte, by the C library's vectorised search, then the rest is compared.
        while index <= last, let found = unsafe memchr(base + index, Int32(first.pointee), last - index + 1) {
          index = unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
          if unsafe memcmp(base + index, first, wanted.count) == 0 { return index }
          index += 1
        }
        return nil
      }
    }
  }
}
