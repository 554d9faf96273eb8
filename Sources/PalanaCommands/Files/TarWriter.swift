import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Makes a tar stream of a local file or folder, piece by piece. Not safe from several threads; it blocks.
///
/// Links stay links. Sockets, devices and queues are left out and counted. A file that changes while it is read gets exactly the size that was
/// announced: cut, or filled with zeros.
final class TarWriter {
  private struct Open {
    let descriptor: Int32
    let path: String
    var remaining: Int64
    let padding: Int
  }

  private var waiting: [(path: String, name: String)]
  private var open: Open?
  private var isFinished = false

  /// What was left out, the first 20.
  private(set) var skipped: [String] = []
  private(set) var skippedCount = 0

  /// - Parameters:
  ///   - path: a file or folder.
  ///   - name: its name in the archive.
  init(_ path: String, as name: String) { waiting = [(path, name)] }

  deinit { if let open { close(open.descriptor) } }

  /// The next piece, up to about 64 KiB; nil after the end.
  /// - Throws: ``PalanaError``.
  func next() throws -> [UInt8]? {
    while true {
      if open != nil { return try content() }
      guard let (path, name) = waiting.popLast() else {
        if isFinished { return nil }
        isFinished = true
        return [UInt8](repeating: 0, count: 2 * TarHeader.block)
      }
      if let header = try begin(path, name) { return header }
    }
  }

  private func begin(_ path: String, _ name: String) throws -> [UInt8]? {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { throw LocalFile.error(path, errno) }
    var fields = TarHeader.Fields(
      path: name, link: "", mode: UInt32(status.st_mode) & 0o777, size: 0, modified: Int64(status.st_mtim.tv_sec),
      flag: UInt8(ascii: "0"))
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      fields.flag = UInt8(ascii: "5")
      fields.path += "/"
      for child in try LocalFile.names(in: path).reversed() { waiting.append((path + "/" + child, name + "/" + child)) }
    case S_IFLNK:
      fields.flag = UInt8(ascii: "2")
      fields.link = try Self.target(path)
    case S_IFREG:
      // Opened first and asked again: the size must be that of what is read.
      let descriptor = unsafe Glibc.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      guard descriptor >= 0 else { throw LocalFile.error(path, errno) }
      guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        throw PalanaError(.conflict, "\(path) changed while it was read")
      }
      fields.size = Int64(status.st_size)
      if fields.size == 0 {
        close(descriptor)
      } else {
        open = Open(
          descriptor: descriptor, path: path, remaining: fields.size, padding: TarHeader.padding(fields.size))
      }
    default:
      skippedCount += 1
      if skipped.count < 20 { skipped.append(path) }
      return nil
    }
    return Self.header(fields)
  }

  private func content() throws -> [UInt8] {
    guard var current = open else { return [] }
    var buffer = [UInt8](repeating: 0, count: Int(min(current.remaining, 65_536)))
    let count = try LocalFile.read(current.descriptor, into: &buffer, current.path)
    if let count { buffer.removeLast(buffer.count - count) }
    current.remaining -= Int64(buffer.count)
    guard current.remaining == 0 else {
      open = current
      return buffer
    }
    close(current.descriptor)
    open = nil
    return buffer + [UInt8](repeating: 0, count: current.padding)
  }

  private static func target(_ path: String) throws -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
        guard let start = characters.baseAddress else { return -1 }
        return unsafe readlink(path, start, characters.count)
      }
    }
    guard count >= 0, count < buffer.count else { throw LocalFile.error(path, errno) }
    return String(decoding: buffer[..<count], as: UTF8.self)
  }

  /// A header, after an extended one where a field does not fit (IEEE 1003.1, “pax Header Block”).
  static func header(_ fields: TarHeader.Fields) -> [UInt8] {
    var records = ""
    func add(_ key: String, _ value: String) {
      // The length counts its own digits.
      let rest = key.utf8.count + value.utf8.count + 3
      var length = rest + String(rest).utf8.count
      if String(length).utf8.count != String(rest).utf8.count { length = rest + String(length).utf8.count }
      records += "\(length) \(key)=\(value)\n"
    }
    if fields.path.utf8.count > 100 || !fields.path.utf8.allSatisfy({ $0 < 0x80 }) { add("path", fields.path) }
    if fields.link.utf8.count > 100 || !fields.link.utf8.allSatisfy({ $0 < 0x80 }) { add("linkpath", fields.link) }
    if fields.size >= 1 << 33 { add("size", String(fields.size)) }
    guard !records.isEmpty else { return TarHeader.write(fields) }
    let content = Array(records.utf8)
    var extended = fields
    extended.path = "PaxHeaders/entry"
    extended.link = ""
    extended.flag = UInt8(ascii: "x")
    extended.size = Int64(content.count)
    return TarHeader.write(extended) + content
      + [UInt8](repeating: 0, count: TarHeader.padding(extended.size)) + TarHeader.write(fields)
  }
}
