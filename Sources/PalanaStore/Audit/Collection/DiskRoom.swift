import Glibc

/// How much room there is on a disk.
enum DiskRoom {
  /// Bytes that this user may still write beside `path`; all that there could be when nobody can say: a write will.
  static func bytes(at path: String) -> UInt64 {
    var folder = path
    while let last = folder.last, last != "/" { folder.removeLast() }
    var status = statvfs()
    guard unsafe statvfs(folder.isEmpty ? "." : folder, &status) == 0 else { return .max }
    let (bytes, isTooMuch) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return isTooMuch ? .max : bytes
  }
}
