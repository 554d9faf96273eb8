import NIOPosix
import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file of any length, or standard input, read piece by piece.
enum InputFile {
  /// Hands over the pieces of `path` (`-`: standard input) in order.
  /// - Throws: ``PalanaError``; what `consume` throws.
  static func read(_ path: String, _ io: CommandIO, _ consume: ([UInt8]) throws -> Void) async throws {
    if path == "-" {
      while let bytes = try await io.input.next() { try consume(bytes) }
      return
    }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw LocalFile.error(path, errno) }
    defer { close(descriptor) }
    while true {
      let bytes = try await NIOThreadPool.singleton.runIfActive { () -> [UInt8]? in
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        return try LocalFile.read(descriptor, into: &buffer, path).map { Array(buffer[..<$0]) }
      }
      guard let bytes else { return }
      try consume(bytes)
    }
  }
}
