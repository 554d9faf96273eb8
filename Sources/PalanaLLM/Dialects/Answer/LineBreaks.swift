#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension Span<UInt8> {
  /// Where CR or LF stands first, at or after `start`.
  func firstLineBreak(from start: Int) -> Int? {
    guard start < count else { return nil }
    // By the C library's vectorised search. The bytes are only read and do not escape.
    return unsafe withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return nil }
      let first = unsafe base + start
      let feed = unsafe memchr(first, 10, buffer.count - start).map { unsafe UnsafeRawPointer($0) - UnsafeRawPointer(base) }
      let end = feed ?? buffer.count
      let carriage = unsafe memchr(first, 13, end - start).map { unsafe UnsafeRawPointer($0) - UnsafeRawPointer(base) }
      return carriage ?? feed
    }
  }
}
