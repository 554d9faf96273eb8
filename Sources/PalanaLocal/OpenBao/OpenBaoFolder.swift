import Glibc
import NIOPosix
import PalanaCore
import PalanaSecrets

/// The folder of the daemon's own OpenBao, prepared and held by one daemon.
final class OpenBaoFolder: Sendable {
  private let descriptor: Int32

  /// Makes the folders (0700) and the seal key, writes the server's configuration, and takes the lock.
  ///
  /// - Throws: ``PalanaError``: `conflict` when another daemon has the lock, `failed` that names the file.
  static func take(
    _ layout: OpenBaoLayout, network: OpenBaoServerFile.Network
  ) async throws(PalanaError) -> OpenBaoFolder {
    let descriptor: Int32
    do {
      descriptor = try await NIOThreadPool.singleton.runIfActive {
        for folder in layout.folders { try prepare(folder) }
        return try lock(layout.lock)
      }
    } catch {
      throw error as? PalanaError ?? PalanaError(.failed, "the folder of OpenBao could not be prepared")
    }
    let folder = OpenBaoFolder(holding: descriptor)
    do throws(PalanaError) {
      let key = try await SecretFile.read(layout.sealKey).reveal()
      guard key.count == 32 else {
        throw PalanaError(
          .failed, "the seal key \(layout.sealKey) has \(key.count) bytes, not 32", hint: "restore it from a backup")
      }
    } catch {
      guard error.code == .notFound else { throw error }
      try await makeSealKey(layout)
    }
    let content = try OpenBaoServerFile.content(layout, network: network)
    try await SecretFile.write(Redacted(content), to: layout.serverFile)
    return folder
  }

  private init(holding descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// A new key beside an old storage would never open it, and its owner should hear that before anything is written.
  private static func makeSealKey(_ layout: OpenBaoLayout) async throws(PalanaError) {
    var status = stat()
    guard unsafe stat(layout.data + "/vault.db", &status) != 0 else {
      throw PalanaError(
        .failed, "OpenBao's storage is there, but its seal key \(layout.sealKey) is missing",
        hint: "restore the folder \(layout.keys) from a backup")
    }
    var generator = SystemRandomNumberGenerator()
    let key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    try await SecretFile.write(Redacted(key), to: layout.sealKey)
  }

  private static func prepare(_ folder: String) throws(PalanaError) {
    if unsafe mkdir(folder, 0o700) != 0, errno != EEXIST {
      throw PalanaError(.failed, "the folder \(folder) could not be made")
    }
    var status = stat()
    guard unsafe lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else {
      throw PalanaError(.failed, "\(folder) is not a folder of this user", hint: "remove it, or run as its owner")
    }
    if status.st_mode & 0o077 != 0, unsafe chmod(folder, 0o700) != 0 {
      throw PalanaError(.failed, "others can read \(folder) and that could not be changed")
    }
  }

  private static func lock(_ path: String) throws(PalanaError) -> Int32 {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw PalanaError(.failed, "the lock \(path) could not be opened") }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw PalanaError(.conflict, "another daemon uses this OpenBao folder already")
    }
    return descriptor
  }
}
