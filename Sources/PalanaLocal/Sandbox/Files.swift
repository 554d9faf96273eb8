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

  /// Writes the whole file or nothing: a reader sees the old contents or the new.
  static func write(_ bytes: [UInt8], to path: String, mode: Int = 0o600) throws(PalanaError) {
    let draft = path + ".\(RandomToken.hex(bytes: 4)).new"
    do {
      try Data(bytes).write(to: URL(filePath: draft))
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: draft)
    } catch {
      unlink(draft)
      throw PalanaError(.failed, "\(path) cannot be written: \(error)")
    }
    guard unsafe rename(draft, path) == 0 else {
      let number = errno
      unlink(draft)
      throw SystemCall.error(number, "\(path) cannot be written")
    }
  }

  /// The contents; nil: there is no such file, or it cannot be read.
  static func read(_ path: String) -> [UInt8]? {
    (try? Data(contentsOf: URL(filePath: path))).map(Array.init)
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
