package import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The few system calls of files that are only appended to, on paths and descriptors that their writer owns.
package enum SpoolFiles {
  /// Makes a folder, and those above it, for this user alone.
  ///
  /// - Throws: ``PalanaError`` with code `failed`.
  package static func makeDirectory(_ path: String) throws(PalanaError) {
    var partial = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: false) {
      partial +=
        partial.isEmpty && part.isEmpty ? "/" : (partial.hasSuffix("/") || partial.isEmpty ? "\(part)" : "/\(part)")
      guard !part.isEmpty else { continue }
      if unsafe mkdir(partial, 0o700) != 0, errno != EEXIST {
        throw PalanaError(.failed, "the folder \(path) cannot be created: \(message(errno))")
      }
    }
  }

  /// The names in a folder that end in `suffix`, sorted.
  ///
  /// - Throws: ``PalanaError`` with code `failed`.
  package static func names(in directory: String, suffix: String) throws(PalanaError) -> [String] {
    // `unsafe`: the stream is used and closed in this function only.
    guard let stream = unsafe opendir(directory) else {
      throw PalanaError(.failed, "the folder \(directory) cannot be read: \(message(errno))")
    }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name.hasSuffix(suffix) { names.append(name) }
    }
    return names.sorted()
  }

  /// The bytes that a file has; nil when there is none.
  package static func size(_ path: String) -> Int? {
    var info = stat()
    guard unsafe stat(path, &info) == 0 else { return nil }
    return Int(info.st_size)
  }

  /// What earlier runs left, by name: each writer's files in their order.
  static func segments(in directory: String) throws(PalanaError) -> [AuditSpool.Segment] {
    var segments: [AuditSpool.Segment] = []
    for name in try names(in: directory, suffix: ".jsonl") {
      guard let size = size(directory + "/" + name) else {
        throw PalanaError(.failed, "the file \(name) cannot be read: \(message(errno))")
      }
      segments.append(.init(name: name, directory: directory, written: size, isFinished: true))
    }
    return segments
  }

  /// Creates a new file that nobody else may read, for appending.
  package static func create(_ path: String) -> Int32? {
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
    return file >= 0 ? file : nil
  }

  /// The number of bytes that were written: fewer than there are when the disk is full, 0 on an error.
  package static func append(_ bytes: [UInt8], to file: Int32) -> Int {
    while true {
      // `unsafe`: the kernel reads the array's bytes during the call only.
      let written = unsafe bytes.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
      if written >= 0 { return written }
      if errno != EINTR { return 0 }
    }
  }

  /// Cuts a file; false when that is not possible.
  package static func truncate(_ file: Int32, to size: Int) -> Bool { ftruncate(file, off_t(size)) == 0 }

  /// Gives a descriptor back.
  package static func close(_ file: Int32) {
    #if canImport(Glibc)
      _ = Glibc.close(file)
    #else
      _ = Darwin.close(file)
    #endif
  }

  /// Removes a file; it is fine when there is none.
  package static func remove(_ path: String) { _ = unsafe unlink(path) }

  static func message(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}

extension SpoolFiles {
  /// Reads up to `count` bytes of a file from `offset`. Blocks: call it on a thread that may.
  ///
  /// - Returns: fewer bytes at the end of the file; nil when there is no such file any more.
  /// - Throws: ``PalanaError`` with code `failed` when it cannot be read.
  package static func read(_ path: String, named name: String, from offset: Int, count: Int) throws(PalanaError) -> [UInt8]? {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw PalanaError(.failed, "the file \(name) cannot be read: \(message(errno))")
    }
    defer { close(file) }
    var failed = false
    // `unsafe`: the kernel writes into the array's own storage during each call only.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let result = unsafe pread(
          file, unsafe buffer.baseAddress?.advanced(by: filled), count - filled, off_t(offset + filled))
        if result < 0, errno == EINTR { continue }
        if result < 0 { failed = true }
        if result <= 0 { break }
        filled += result
      }
    }
    if failed { throw PalanaError(.failed, "the file \(name) cannot be read") }
    return bytes
  }
}

extension AuditSpool.Segment {
  /// Reads up to `count` bytes from `offset`. Blocks: call it on a thread that may.
  /// - Returns: fewer bytes at the end of the file; nil when there is no such file any more.
  /// - Throws: ``PalanaError`` with code `failed` when it cannot be read.
  package func read(from offset: Int, count: Int) throws(PalanaError) -> [UInt8]? {
    try SpoolFiles.read(path, named: name, from: offset, count: count)
  }
}

/// Holds a lock file for as long as it lives, so that two daemons never drain one spool.
final class FileHandleLock: Sendable {
  private let file: Int32

  init(path: String) throws(PalanaError) {
    let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else {
      throw PalanaError(.failed, "\(path) cannot be opened: \(SpoolFiles.message(errno))")
    }
    // A program that is being started elsewhere in this process holds a copy of an old descriptor until its exec: the moment passes.
    var isLocked = flock(file, LOCK_EX | LOCK_NB) == 0
    for _ in 0..<100 where !isLocked {
      usleep(20_000)
      isLocked = flock(file, LOCK_EX | LOCK_NB) == 0
    }
    guard isLocked else {
      SpoolFiles.close(file)
      throw PalanaError(.conflict, "\(path) is held by another process", hint: "is another palanad running?")
    }
    self.file = file
  }

  deinit { SpoolFiles.close(file) }
}
