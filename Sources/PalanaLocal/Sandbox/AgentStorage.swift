import CLinux
import Glibc
import PalanaCore

/// The lasting storage of an agent: an ext4 file system in a sparse file, so that its size is a limit that the kernel
/// keeps.
///
/// On the disk everything in it belongs to 1000; the shim maps that to the agent's user. It grows when more is asked
/// for; it never shrinks, because that would be a way to lose data.
enum AgentStorage {
  /// Less is not enough for the file system's own needs.
  static let smallest: Int64 = 32 << 20

  /// Makes the file system or lets it grow. The sandbox must not run.
  static func ensure(_ image: String, bytes: Int64) async throws(PalanaError) {
    let bytes = max(bytes, smallest) / 4096 * 4096
    guard let size = size(of: image) else { return try await make(image, bytes: bytes) }
    if size < bytes { try await grow(image, to: bytes) }
  }

  private static func make(_ image: String, bytes: Int64) async throws(PalanaError) {
    let mkfs = try Program.find("mkfs.ext4", package: "e2fsprogs")
    let draft = image + ".\(RandomToken.hex(bytes: 4)).new"
    do throws(PalanaError) {
      try await SystemCall.blocking { () throws(PalanaError) in try resize(draft, to: bytes, create: true) }
      // A small journal: a large one would be filled in time, and each agent would take that from the disk.
      let result = try await Program.run(
        mkfs,
        [
          "-q", "-F", "-b", "4096", "-m", "0", "-J", "size=\(bytes >= 1 << 30 ? 16 : 4)",
          "-E", "root_owner=1000:1000,lazy_itable_init=1,lazy_journal_init=1,nodiscard", draft,
        ])
      guard result.succeeded else {
        throw PalanaError(.failed, "storage cannot be made: \(result.error)", hint: "is there space on the disk?")
      }
      try await SystemCall.blocking { () throws(PalanaError) in try Files.move(draft, to: image) }
    } catch {
      Files.unlink(draft)
      throw error
    }
  }

  private static func grow(_ image: String, to bytes: Int64) async throws(PalanaError) {
    guard unsafe clsandbox_lock_is_free(image) == 1 else {
      throw PalanaError(.conflict, "the storage is in use", hint: "it grows at the next start")
    }
    let check = try Program.find("e2fsck", package: "e2fsprogs")
    let resizer = try Program.find("resize2fs", package: "e2fsprogs")
    // Also repairs what a crash left; resize2fs insists on it. 0 and 1: sound now.
    let checked = try await Program.run(check, ["-f", "-p", image])
    try await SystemCall.blocking { () throws(PalanaError) in try resize(image, to: bytes, create: false) }
    let result = try await Program.run(resizer, [image])
    guard result.succeeded else {
      let why = [checked.error, result.error].filter { !$0.isEmpty }.joined(separator: "; ")
      throw PalanaError(.failed, "the storage cannot grow: \(why)")
    }
  }

  private static func resize(_ path: String, to bytes: Int64, create: Bool) throws(PalanaError) {
    let file = Files.open(path, O_RDWR | (create ? O_CREAT | O_EXCL : 0))
    guard file.number >= 0, ftruncate(file.number, off_t(bytes)) == 0 else {
      throw SystemCall.error(errno, "storage cannot be made")
    }
  }

  private static func size(of image: String) -> Int64? {
    var status = stat()
    return unsafe stat(image, &status) == 0 ? Int64(status.st_size) : nil
  }

  /// Bytes in use and in all, from the super block of a file system that is not mounted; nil: there is none.
  static func measure(_ image: String) -> (used: Int64, capacity: Int64)? {
    let file = Files.open(image, O_RDONLY)
    var block = [UInt8](repeating: 0, count: 1024)
    let count = unsafe block.withUnsafeMutableBytes { unsafe pread(file.number, $0.baseAddress, 1024, 1024) }
    func number(_ offset: Int) -> Int64 {
      (0..<4).reduce(0) { $0 | Int64(block[offset + $1]) << (8 * Int64($1)) }
    }
    // Magic number, and a block size that is one.
    guard count == 1024, block[56] == 0x53, block[57] == 0xef, number(24) <= 6 else { return nil }
    let size: Int64 = 1024 << number(24)
    let blocks = number(4) | number(0x150) << 32
    let free = number(12) | number(0x158) << 32
    return ((blocks - free) * size, blocks * size)
  }

  /// Bytes in use and in all of the mounted storage of the sandbox that `shim` keeps.
  static func measure(shim: Int32, bundle: String) -> (used: Int64, capacity: Int64)? {
    let folder = Files.open("/proc/\(shim)/root\(bundle)/data", O_RDONLY | O_DIRECTORY)
    var used: UInt64 = 0
    var capacity: UInt64 = 0
    guard folder.number >= 0, unsafe clsandbox_space(folder.number, &used, &capacity) == 0 else { return nil }
    return (Int64(used), Int64(capacity))
  }
}
