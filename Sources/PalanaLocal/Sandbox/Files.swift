import FoundationEssentials
import Glibc
import PalanaCore

/// Reading and writing of the runtime's own files. Blocking; never for a path that an agent can change.
enum Files {
  /// Makes a folder and what is missing above it; all that it makes is for root only unless `mode` says otherwise.
  static func makeFolder(_ path: String, mode: Int = 0o700) throws(PalanaError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: mode])
    } catch {
      throw PalanaError(.failed, "the folder \(path) cannot be made: \(error)")
    }
  }

  /// Writes the whole file or nothing: a reader sees the old contents or the new, with its owner and mode.
  static func write(
    _ bytes: [UInt8], to path: String, mode: UInt32 = 0o600, owner: UInt32? = nil, group: UInt32? = nil
  ) throws(PalanaError) {
    let draft = path + ".\(RandomToken.hex(bytes: 4)).new"
    let file = open(draft, O_WRONLY | O_CREAT | O_EXCL)
    var rest = bytes[...]
    while file.number >= 0, !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file.number, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      rest = rest.dropFirst(count)
    }
    guard file.number >= 0, rest.isEmpty, owner == nil || fchown(file.number, owner ?? 0, group ?? 0) == 0,
      fchmod(file.number, mode) == 0, unsafe rename(draft, path) == 0
    else {
      let number = errno
      unlink(draft)
      throw SystemCall.error(number, "\(path) cannot be written")
    }
  }

  /// The contents; nil: there is no such file, or it cannot be read. Also for files of `/proc` and `/sys`, whose size
  /// is not known before.
  static func read(_ path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY)
    guard file.number >= 0 else { return nil }
    var status = stat()
    guard unsafe fstat(file.number, &status) == 0 else { return nil }
    var bytes: [UInt8] = []
    var room = max(Int(status.st_size) + 1, 4096)
    while true {
      var failed = false
      let piece = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, used in
        let count = unsafe Glibc.read(file.number, buffer.baseAddress, room)
        failed = count < 0 && errno != EINTR
        used = max(count, 0)
      }
      if failed { return nil }
      if piece.isEmpty { return bytes }
      bytes = bytes.isEmpty ? piece : bytes + piece
      room = 65_536
    }
  }

  /// Names in a folder, sorted; empty when there is none.
  static func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// Removes a file or a folder with what is in it; nothing there is no error.
  static func remove(_ path: String) throws(PalanaError) {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      var status = stat()
      if unsafe lstat(path, &status) != 0, errno == ENOENT { return }
      throw PalanaError(.failed, "\(path) cannot be removed: \(error)")
    }
  }
}

extension Files {
  /// Removes one file; nothing there is no error.
  static func unlink(_ path: String) { _ = unsafe Glibc.unlink(path) }

  /// Opens, close-on-exec; what is new is for root only. The number is negative when it failed, and `errno` says why.
  static func open(_ path: String, _ flags: Int32) -> OwnedDescriptor {
    OwnedDescriptor(unsafe Glibc.open(path, flags | O_CLOEXEC, 0o600))
  }

  /// Moves within one file system, at once.
  static func move(_ source: String, to target: String) throws(PalanaError) {
    guard unsafe rename(source, target) == 0 else { throw SystemCall.error(errno, "\(target) cannot be put in place") }
  }
}

extension Files {
  static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }
}
