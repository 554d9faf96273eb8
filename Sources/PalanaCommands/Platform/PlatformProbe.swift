import PalanaControlAPI
import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Looks whether the platform runs.
struct PlatformProbe: Sendable {
  let context: CommandContext

  /// The platform's status; nil when nothing answers.
  /// - Throws: ``PalanaError`` when something answers with an error that will not pass by itself.
  func status() async throws -> InstallationStatus? {
    do {
      return try await context.withClient { client in
        let health: Health = try await client.call(.health)
        guard health.ok else { return nil }
        return try await client.call(.status)
      }
    } catch let error as PalanaError where error.code == .unreachable || error.code == .failed {
      return nil
    }
  }

  /// Whether a daemon holds the home's lock; nil when that cannot be seen from here.
  func isLocked() -> Bool? {
    let descriptor = unsafe open(context.home + "/run/palanad.lock", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return errno == ENOENT ? false : nil }
    defer { close(descriptor) }
    guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else { return true }
    flock(descriptor, LOCK_UN)
    return false
  }
}
