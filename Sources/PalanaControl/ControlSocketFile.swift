import Glibc
import NIOPosix
import PalanaCore

/// The Unix socket's place in the file system.
enum ControlSocketFile {
  /// Makes sure that no other daemon answers there: taking its socket away would leave it running and unreachable.
  ///
  /// - Throws: ``PalanaError`` with code `conflict`, or `invalid` when something that is no socket stands there.
  static func checkFree(_ path: String) async throws(PalanaError) {
    try await offLoop { () throws(PalanaError) in
      var status = stat()
      guard unsafe lstat(path, &status) == 0 else { return }
      guard status.st_mode & S_IFMT == S_IFSOCK else {
        throw PalanaError(.invalid, "\(path) exists and is no socket")
      }
      guard isAnswered(path) else { return }
      throw PalanaError(.conflict, "a daemon already answers at \(path)", hint: "pcli down ends it")
    }
  }

  /// Lets the daemon's user and, if there is one, the group connect. Until now only the daemon's user could: the file
  /// is made without write permission for others.
  static func restrict(_ path: String, group: UInt32?) async throws(PalanaError) {
    try await offLoop { () throws(PalanaError) in
      if let group {
        guard unsafe chown(path, .max, group) == 0 else {
          throw PalanaError(.failed, "the group of \(path) cannot be set: error \(errno)")
        }
      }
      guard unsafe chmod(path, group == nil ? 0o600 : 0o660) == 0 else {
        throw PalanaError(.failed, "the mode of \(path) cannot be set: error \(errno)")
      }
    }
  }

  private static func isAnswered(_ path: String) -> Bool {
    let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return false }
    defer { close(socket) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in unsafe target.copyBytes(from: bytes) }
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { rebound in
        unsafe connect(socket, rebound, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
  }

  private static func offLoop(
    _ work: @escaping @Sendable () throws(PalanaError) -> Void
  ) async throws(PalanaError) {
    do { try await NIOThreadPool.singleton.runIfActive { try work() } } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.failed, "the control socket could not be prepared")
    }
  }
}
