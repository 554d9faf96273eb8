import CZlib

/// Compresses for tests.
enum Gzip {
  /// - Parameter window: 31 the gzip format, 15 the zlib format, -15 neither.
  static func compress(_ bytes: [UInt8], window: Int32 = 31) -> [UInt8] {
    var stream = unsafe z_stream()
    var input = bytes
    var output = [UInt8](repeating: 0, count: bytes.count + bytes.count / 2 + 128)
    let made = unsafe input.withUnsafeMutableBufferPointer { input in
      unsafe output.withUnsafeMutableBufferPointer { output in
        guard
          unsafe deflateInit2_(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY, zlibVersion(), Int32(MemoryLayout<z_stream>.size))
            == Z_OK
        else { return 0 }
        unsafe stream.next_in = input.baseAddress
        unsafe stream.avail_in = UInt32(input.count)
        unsafe stream.next_out = output.baseAddress
        unsafe stream.avail_out = UInt32(output.count)
        _ = unsafe deflate(&stream, Z_FINISH)
        let made = unsafe Int(stream.total_out)
        _ = unsafe deflateEnd(&stream)
        return made
      }
    }
    return Array(output[..<made])
  }
}
