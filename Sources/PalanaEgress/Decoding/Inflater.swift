import CZlib
import NIOCore

/// Decodes a `gzip` or `deflate` content coding (RFC 9110 §8.4.1) piece by piece, within bounds.
///
/// Memory is zlib's window and one piece of output. What an upstream sends may grow by ``Limits/ratio`` once it is larger than
/// ``Limits/free``: a few bytes that become gigabytes end the response.
@safe
final class Inflater {
  struct Limits: Sendable {
    /// Decoded bytes for each encoded byte.
    var ratio: Int64 = 100
    /// Decoded bytes that may come whatever the ratio.
    var free: Int64 = 262_144
    /// Decoded bytes in all.
    var total: Int64 = 4_294_967_296
  }

  enum Failure: Error, Hashable {
    case malformed
    case tooLarge
  }

  enum Coding {
    case gzip
    /// The zlib format; bare deflate data too, since servers disagree about the name.
    case deflate
  }

  private let stream: UnsafeMutablePointer<z_stream>
  private let coding: Coding
  private let limits: Limits
  private var isOpen = false
  private var isDone = false
  private var taken: Int64 = 0
  private var made: Int64 = 0
  private static let pieceBytes = 65_536

  init(_ coding: Coding, limits: Limits = Limits()) {
    self.coding = coding
    self.limits = limits
    // zlib keeps a pointer to it, so it must not move.
    unsafe stream = UnsafeMutablePointer.allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
  }

  deinit {
    if isOpen { _ = unsafe inflateEnd(stream) }
    unsafe stream.deinitialize(count: 1)
    unsafe stream.deallocate()
  }

  /// Decodes the next bytes, in pieces of bounded size.
  ///
  /// - Throws: ``Failure``; nothing more can be decoded then.
  func decode(_ contents: ByteBuffer, _ output: (ByteBuffer) -> Void) throws(Failure) {
    var contents = contents
    var hasMore = false
    while contents.readableBytes > 0 || hasMore {
      let first: UInt8? = contents.getInteger(at: contents.readerIndex)
      if isDone {
        // A gzip file may have several members (RFC 1952 §2.2). Anything else behind the end is padding.
        guard coding == .gzip, first == 0x1f, unsafe inflateReset(stream) == Z_OK else { return }
        isDone = false
      }
      try open(first: first)
      hasMore = try step(&contents, output)
    }
  }

  /// The end of the body.
  ///
  /// - Throws: ``Failure/malformed`` when it came too early.
  func finish() throws(Failure) {
    // A coding over nothing is nothing.
    guard isDone || taken == 0 else { throw .malformed }
  }

  private func open(first: UInt8?) throws(Failure) {
    guard !isOpen else { return }
    // 16 more: the gzip format; negative: no format around it. The low four bits of the first byte of the zlib format are 8.
    let isBare = coding == .deflate && first.map { $0 & 15 != 8 } ?? false
    let window: Int32 = coding == .gzip ? 15 + 16 : isBare ? -15 : 15
    guard unsafe inflateInit2_(stream, window, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else { throw .malformed }
    isOpen = true
  }

  /// Takes as much input as gives one piece of output.
  /// - Returns: whether there may be more output without more input.
  private func step(_ contents: inout ByteBuffer, _ output: (ByteBuffer) -> Void) throws(Failure) -> Bool {
    var piece = ByteBufferAllocator().buffer(capacity: min(Self.pieceBytes, max(1024, contents.readableBytes * 4)))
    let stream = unsafe self.stream
    var status = Z_OK
    var isFull = false
    let before = contents.readableBytes
    unsafe contents.readWithUnsafeReadableBytes { input in
      // zlib does not write to its input; the pointer is valid for this call only and is cleared after it.
      unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
      unsafe stream.pointee.avail_in = UInt32(clamping: input.count)
      unsafe piece.writeWithUnsafeMutableBytes(minimumWritableBytes: 1024) { space in
        unsafe stream.pointee.next_out = space.bindMemory(to: UInt8.self).baseAddress
        unsafe stream.pointee.avail_out = UInt32(clamping: space.count)
        status = unsafe inflate(stream, Z_NO_FLUSH)
        isFull = unsafe stream.pointee.avail_out == 0
        return unsafe space.count - Int(stream.pointee.avail_out)
      }
      let left = unsafe Int(stream.pointee.avail_in)
      unsafe stream.pointee.next_in = nil
      unsafe stream.pointee.next_out = nil
      return input.count - left
    }
    taken += Int64(before - contents.readableBytes)
    made += Int64(piece.readableBytes)
    guard made <= limits.total, made <= limits.free || made / limits.ratio <= taken else { throw .tooLarge }
    if piece.readableBytes > 0 { output(piece) }
    switch status {
    case Z_OK: return isFull
    case Z_STREAM_END:
      isDone = true
      return false
    // Without input there is no progress.
    case Z_BUF_ERROR where before == 0: return false
    default: throw .malformed
    }
  }
}
