import CProcess
import Glibc
package import PalanaCore

/// What a process that holds secrets does to itself before anything else.
package enum DaemonProcess {
  /// No core dumps, no reading of its memory by others, no group or world bits on new files, no death by a closed pipe, and as many
  /// file descriptors as the system gives.
  package static func harden() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    unsafe setrlimit(__rlimit_resource_t(UInt32(RLIMIT_CORE.rawValue)), &none)
    _ = palana_process_set_not_dumpable()
    umask(0o077)
    signal(SIGPIPE, SIG_IGN)
    var files = rlimit()
    if unsafe getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &files) == 0 {
      files.rlim_cur = files.rlim_max
      unsafe setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &files)
    }
  }

  /// Takes the lock of a home for the life of this process; the kernel gives it back however the process ends.
  ///
  /// - Returns: the descriptor that holds it. Keep it open.
  /// - Throws: ``PalanaError`` with code `conflict` when another daemon has it.
  package static func lock(_ path: String) throws(PalanaError) -> Int32 {
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw PalanaError(.failed, "the lock \(path) could not be opened: \(systemMessage(errno))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw PalanaError(.conflict, "another palanad runs in this home already", hint: "pcli status shows it, pcli down ends it")
    }
    let text = "\(getpid())\n"
    ftruncate(descriptor, 0)
    _ = unsafe text.withCString { unsafe write(descriptor, $0, strlen($0)) }
    return descriptor
  }
}
