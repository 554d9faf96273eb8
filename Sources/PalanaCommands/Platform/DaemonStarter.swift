import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Starts the daemon so that it outlives this program: its own session, no terminal, its output in a file.
struct DaemonStarter {
  /// Path of the program.
  let program: String
  let arguments: [String]
  /// Where its output goes, appended. The folder exists.
  let log: String

  /// `POSIX_SPAWN_SETSID` (POSIX.1-2024), which the imported header hides behind `_GNU_SOURCE`.
  private static let newSession: Int32 = 0x80

  /// Starts it.
  /// - Returns: its process identifier.
  /// - Throws: ``PalanaError`` with code `failed` or `denied`.
  func start() throws -> pid_t {
    // The daemon must not hold the folder that somebody happened to stand in; every path here is absolute.
    _ = unsafe chdir("/")
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // Signals as a fresh process has them: this one ignores SIGPIPE, and a terminal's Ctrl-C must not reach the daemon.
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(Self.newSession | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

    var words: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    var child = pid_t()
    let number = unsafe posix_spawn(&child, program, &actions, &attributes, &words, environ)
    guard number == 0 else { throw LocalFile.error(program, number) }
    return child
  }

  /// Whether a child of this process has ended, and how; nil while it runs.
  static func ended(_ child: pid_t) -> String? {
    var status: Int32 = 0
    guard unsafe waitpid(child, &status, WNOHANG) == child else { return nil }
    let signal = status & 0x7f
    return signal == 0 ? "with code \((status >> 8) & 0xff)" : "by signal \(signal)"
  }

  /// Replaces this process by the daemon, in the foreground.
  /// - Throws: ``PalanaError``; it does not return otherwise.
  func replace() throws {
    var words: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe words.indices { unsafe free(words[index]) } }
    unsafe execv(program, &words)
    throw LocalFile.error(program, errno)
  }
}
