import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Small files of this machine.
enum LocalFile {
  /// The whole content.
  /// - Throws: ``PalanaError``: `notFound`, `denied`, `invalid` past `limit` bytes or for a folder, `failed`.
  static func read(_ path: String, limit: Int) throws -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw error(path, errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while let count = try read(descriptor, into: &buffer, path) {
      bytes += buffer[..<count]
      guard bytes.count <= limit else { throw PalanaError(.invalid, "\(path) has more than \(limit) bytes") }
    }
    return bytes
  }

  /// Reads once; nil at the end.
  /// - Throws: ``PalanaError``.
  static func read(_ descriptor: Int32, into buffer: inout [UInt8], _ path: String) throws -> Int? {
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe systemRead(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 { return count == 0 ? nil : count }
      guard errno == EINTR else { throw error(path, errno) }
    }
  }

  /// What `path` is: nil when nothing is there or it cannot be looked at. Follows links.
  static func kind(_ path: String) -> FileKind? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return .directory
    case S_IFREG: return .file
    default: return .other
    }
  }

  /// The names in a folder, sorted, without `.` and `..`.
  /// - Throws: ``PalanaError``.
  static func names(in path: String) throws -> [String] {
    guard let directory = unsafe opendir(path) else { throw error(path, errno) }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// A path that holds wherever this process stands later.
  static func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    guard let folder = unsafe getcwd(nil, 0) else { return path }
    defer { unsafe free(folder) }
    return unsafe String(cString: folder) + "/" + path
  }

  /// The error of a system call on `path`.
  static func error(_ path: String, _ number: Int32) -> PalanaError {
    switch number {
    case ENOENT, ENOTDIR: PalanaError(.notFound, "there is no file \(path)")
    case EACCES, EPERM: PalanaError(.denied, "\(path): \(SystemText.of(number))")
    case EISDIR: PalanaError(.invalid, "\(path) is a folder")
    default: PalanaError(.failed, "\(path): \(SystemText.of(number))")
    }
  }
}

/// `read(2)` under a name that does not collide with ours.
private let systemRead: @Sendable (Int32, UnsafeMutableRawPointer?, Int) -> Int = unsafe read

/// What stands at a path.
enum FileKind: Sendable { case file, directory, other }
