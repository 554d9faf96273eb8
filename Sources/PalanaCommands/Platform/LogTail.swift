import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The end of a log file.
enum LogTail {
  /// The last lines written after `offset`, made safe for a terminal; empty when the file cannot be read.
  static func lines(_ path: String, after offset: Int64, count: Int = 15) -> [String] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    let end = lseek(descriptor, 0, SEEK_END)
    lseek(descriptor, max(Int(offset), end - 65_536), SEEK_SET)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while bytes.count < 131_072, let count = try? LocalFile.read(descriptor, into: &buffer, path) {
      bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(count).map {
      TerminalText.safe(String($0))
    }
  }

  /// The size of a file; 0 when there is none.
  static func size(_ path: String) -> Int64 {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? Int64(status.st_size) : 0
  }
}
