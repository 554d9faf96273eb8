import CNamespace
import Glibc

/// Runs a program to its end.
///
/// Its output goes to a file and its end is waited for by its number: what it leaves running may keep everything else open for ever.
enum Program {
  /// - Returns: its exit code, 124 after two minutes, and what it wrote on both outputs.
  static func run(_ command: [String], input: String = "", keepsErrors: Bool = true) throws -> (code: Int32, output: String) {
    let (source, output) = (try file(), try file())
    defer {
      close(source)
      close(output)
    }
    let bytes = Array(input.utf8)
    guard write(source, bytes, bytes.count) == bytes.count, lseek(source, 0, SEEK_SET) == 0 else { throw AgentSocket.Failure(code: errno) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, source, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    if keepsErrors {
      posix_spawn_file_actions_adddup2(&actions, output, 2)
    } else {
      posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    }
    let arguments = (["timeout", "-k", "5", "120"] + command).map { strdup($0) }
    defer { for argument in arguments { free(argument) } }
    // The upstream's listeners are not the program's: it may leave something running.
    guard cnamespace_keep_descriptors() == 0 else { throw AgentSocket.Failure(code: errno) }
    var process = pid_t()
    let code = posix_spawnp(&process, "timeout", &actions, nil, arguments + [nil], environ)
    guard code == 0 else { throw AgentSocket.Failure(code: code) }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 { guard errno == EINTR else { throw AgentSocket.Failure(code: errno) } }
    return (status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f, String(decoding: contents(output), as: UTF8.self))
  }

  /// A file without a name.
  private static func file() throws -> CInt {
    var template = Array("/tmp/egress-cases-XXXXXX".utf8CString)
    let made = mkstemp(&template)
    guard made >= 0, fcntl(made, F_SETFD, FD_CLOEXEC) == 0 else { throw AgentSocket.Failure(code: errno) }
    unlink(template)
    return made
  }

  private static func contents(_ file: CInt) -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = pread(file, &buffer, buffer.count, off_t(all.count))
      guard count > 0 else { return all }
      all += buffer[..<count]
    }
  }
}
