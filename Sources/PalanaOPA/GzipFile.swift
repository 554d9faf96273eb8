import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Unpacks a gzip file with the zlib of the system.
///
/// zlib is loaded when a bundle is read instead of linked: it is on every system that has a package manager, its
/// headers are not, and most installations have no bundle at all.
enum GzipFile {
  private typealias Open = @convention(c) (UnsafePointer<CChar>, UnsafePointer<CChar>) -> OpaquePointer?
  private typealias Read = @convention(c) (OpaquePointer, UnsafeMutableRawPointer, CUnsignedInt) -> CInt
  private typealias Close = @convention(c) (OpaquePointer) -> CInt

  #if canImport(Darwin)
    private static let library = "/usr/lib/libz.dylib"
  #else
    private static let library = "libz.so.1"
  #endif

  /// The unpacked bytes, at most `limit` of them: what unpacks to more is refused while it is read. Blocks.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` (the file) or `failed` (no zlib).
  static func read(_ path: String, limit: Int) throws(PalanaError) -> [UInt8] {
    guard let handle = unsafe dlopen(library, RTLD_NOW | RTLD_LOCAL), let openSymbol = unsafe dlsym(handle, "gzopen"),
      let readSymbol = unsafe dlsym(handle, "gzread"), let closeSymbol = unsafe dlsym(handle, "gzclose")
    else { throw PalanaError(.failed, "bundles need zlib (\(library)), which is missing", hint: "apt install zlib1g") }
    // Sound: these are the declarations in zlib.h.
    let open = unsafe unsafeBitCast(openSymbol, to: Open.self)
    let read = unsafe unsafeBitCast(readSymbol, to: Read.self)
    let close = unsafe unsafeBitCast(closeSymbol, to: Close.self)
    guard let file = unsafe open(path, "rb") else {
      throw PalanaError(.invalid, "\(path): the bundle cannot be opened")
    }
    defer { _ = unsafe close(file) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { bytes -> CInt in
        guard let base = bytes.baseAddress else { return -1 }
        return unsafe read(file, base, CUnsignedInt(bytes.count))
      }
      guard count >= 0 else { throw PalanaError(.invalid, "\(path): the bundle is damaged") }
      if count == 0 { return result }
      guard result.count + Int(count) <= limit else {
        throw PalanaError(.invalid, "\(path): the bundle unpacks to more than \(limit >> 20) MiB")
      }
      result.append(contentsOf: buffer[..<Int(count)])
    }
  }
}
