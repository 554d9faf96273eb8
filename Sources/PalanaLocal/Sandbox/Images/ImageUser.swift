import CLinux
import Glibc
import PalanaCore
import PalanaPlan

/// Who the agent is inside an image, from the image's `User` and its own `/etc/passwd` and `/etc/group`.
///
/// The image is hostile input: its files are opened as if it were the root of the file system, so that a link in it
/// leads nowhere else.
struct ImageUser: Sendable {
  var user: OCIProcess.User
  /// The image's `/etc/passwd` with a line for the agent, so that programs that ask for their own name get one; nil: it
  /// has one already.
  var passwd: [UInt8]?

  /// The user for images that say root or nothing: an agent is never root, not even of its own sandbox.
  static let fallback = OCIProcess.User(uid: 1000, gid: 1000)

  /// - Throws: ``PalanaError`` with code `invalid` when the image names a user that it does not have.
  init(_ configuration: ImageConfiguration, rootfs: String) throws(PalanaError) {
    let accounts = ImageFile.lines(rootfs, "etc/passwd")
    let groups = ImageFile.lines(rootfs, "etc/group")
    let parts = configuration.user.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts.first.map(String.init) ?? ""
    let entry = accounts.first { $0.first == name } ?? accounts.first { $0.count > 2 && $0[2] == name }
    var uid = UInt32(name) ?? (name.isEmpty || name == "root" ? 0 : nil)
    var gid: UInt32?
    if let entry, entry.count > 3 {
      uid = uid ?? UInt32(entry[2])
      gid = UInt32(entry[3])
    }
    if parts.count == 2 {
      let group = String(parts[1])
      gid = UInt32(group) ?? groups.first { $0.first == group }.flatMap { $0.count > 2 ? UInt32($0[2]) : nil }
      guard gid != nil else {
        throw PalanaError(.invalid, "the image's group ‘\(group.prefix(60))’ is not in its /etc/group")
      }
    }
    guard let uid, uid < 65_535, (gid ?? 0) < 65_535 else {
      throw PalanaError(.invalid, "the image's user ‘\(name.prefix(60))’ is not in its /etc/passwd, or out of range")
    }
    user =
      uid == 0
      ? Self.fallback : OCIProcess.User(uid: uid, gid: gid.flatMap { $0 == 0 ? nil : $0 } ?? Self.fallback.gid)
    let number = "\(user.uid)"
    if !accounts.contains(where: { $0.count > 2 && $0[2] == number }) {
      passwd =
        (ImageFile.read(rootfs, "etc/passwd") ?? [])
        + Array("agent:x:\(user.uid):\(user.gid):agent:/data:/bin/sh\n".utf8)
    }
  }
}

/// Reads files of an unpacked image without ever leaving it.
enum ImageFile {
  /// At most one mebibyte of a regular file; nil: there is none.
  static func read(_ rootfs: String, _ path: String) -> [UInt8]? {
    guard let file = openInside(rootfs, path, O_RDONLY | O_NONBLOCK | O_NOCTTY) else { return nil }
    var status = stat()
    guard unsafe fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    var bytes = [UInt8](repeating: 0, count: min(Int(status.st_size), 1 << 20))
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file.number, $0.baseAddress, $0.count, 0) }
    return count >= 0 ? Array(bytes.prefix(count)) : nil
  }

  /// The lines as fields between colons.
  static func lines(_ rootfs: String, _ path: String) -> [[String]] {
    String(decoding: read(rootfs, path) ?? [], as: UTF8.self).split(separator: "\n").map { line in
      line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    }
  }

  /// Whether a regular file stands there, after following links inside the image; with `executable`, one that somebody
  /// may execute.
  static func exists(_ rootfs: String, _ path: String, executable: Bool = false) -> Bool {
    guard let file = openInside(rootfs, path, clsandbox_path_flag()) else { return false }
    var status = stat()
    return unsafe fstat(file.number, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      && (!executable || status.st_mode & 0o111 != 0)
  }

  private static func openInside(_ rootfs: String, _ path: String, _ flags: Int32) -> OwnedDescriptor? {
    let folder = Files.open(rootfs, clsandbox_path_flag() | O_DIRECTORY)
    guard folder.number >= 0 else { return nil }
    let file = unsafe clsandbox_open_in_root(folder.number, path, flags)
    return file >= 0 ? OwnedDescriptor(file) : nil
  }
}
