import Glibc
import NIOPosix
import PalanaCore
import PalanaSecrets

/// A process as it was noted down: its number alone may belong to another one by now.
struct ServerProcess: Hashable, Sendable {
  var pid: Int32
  /// Clock ticks since boot at which it began.
  var began: UInt64
  /// The boot that the ticks count from.
  var boot: String

  /// The running process with this number; nil when there is none.
  init?(running pid: Int32) {
    guard let boot = Self.text("/proc/sys/kernel/random/boot_id"), let stat = Self.text("/proc/\(pid)/stat"),
      // The name in brackets may hold anything; fields are counted behind its end.
      let end = stat.lastIndex(of: ")")
    else { return nil }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    // proc(5): field 22 is the start time; the state, field 3, comes first behind the name.
    guard fields.count > 19, fields[0] != "Z", fields[0] != "X", let began = UInt64(fields[19]) else { return nil }
    self.pid = pid
    self.began = began
    self.boot = boot.filter { !$0.isWhitespace }
  }

  private init?(note: String) {
    let parts = note.split(whereSeparator: \.isWhitespace)
    guard parts.count == 3, let pid = Int32(parts[0]), pid > 1, let began = UInt64(parts[1]) else { return nil }
    self.pid = pid
    self.began = began
    boot = String(parts[2])
  }

  /// Whether this very process still runs.
  var isRunning: Bool { ServerProcess(running: pid) == self }

  /// Notes the process down.
  func note(in file: String) async throws(PalanaError) {
    try await SecretFile.write(Redacted(Array("\(pid) \(began) \(boot)\n".utf8)), to: file)
  }

  /// Ends a server that an earlier daemon left behind, and returns when it is gone.
  ///
  /// The kernel kills the server with the daemon, so this is for the moment between its start and the arming of that, and
  /// for a daemon that was stopped in a debugger. Adopting it is no choice: it could not be waited for.
  ///
  /// - Returns: whether there was one.
  static func endLeftOver(
    _ file: String, clock: any Clock<Duration>
  ) async throws(PalanaError) -> Bool {
    let content: Redacted<[UInt8]>
    do throws(PalanaError) { content = try await SecretFile.read(file) } catch {
      if error.code == .notFound { return false }
      throw error
    }
    guard let old = ServerProcess(note: String(decoding: content.reveal(), as: UTF8.self)), old.isRunning else {
      return false
    }
    _ = kill(old.pid, SIGKILL)
    var pause = Duration.milliseconds(1)
    while old.isRunning {
      guard pause < .seconds(4), (try? await clock.sleep(for: pause)) != nil else {
        throw PalanaError(
          .failed, "an OpenBao server of an earlier start (process \(old.pid)) does not end",
          hint: "end it by hand; two servers must never use the same storage")
      }
      pause *= 2
    }
    return true
  }

  /// Leaves nothing of its memory in a dump: the limit of zero that it starts with does not hold for dumps that go to a program.
  static func forbidDumps(of pid: Int32) {
    let descriptor = unsafe open("/proc/\(pid)/coredump_filter", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = unsafe write(descriptor, "0", 1)
    close(descriptor)
  }

  private static func text(_ path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // procfs gives these short files in one read.
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
    return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
  }
}
