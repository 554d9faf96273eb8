import CLinux
import CSeccomp
import Glibc
import PalanaCore

/// The system call filter of every sandbox, compiled once: what is not listed does not exist.
enum SeccompProgram {
  /// The compiled program as crun's annotation wants it: base64 of the classic BPF instructions.
  static func base64() throws(PalanaError) -> String {
    // Not listed: ENOSYS, so that C libraries fall back to an older call instead of giving up. Another architecture's
    // calls (32-bit on 64-bit) would be numbers that the list does not mean: such a program dies.
    guard let filter = unsafe seccomp_init(errno(ENOSYS)) else {
      throw PalanaError(.failed, "libseccomp has no memory")
    }
    defer { unsafe seccomp_release(filter) }
    try unsafe check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, 0x8000_0000), "bad architecture")
    // A binary tree instead of a list: every call of an agent pays for the comparisons.
    try unsafe check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimisation")
    for name in SeccompCalls.allowed { try unsafe add(filter, name, allow, []) }
    for name in SeccompCalls.denied { try unsafe add(filter, name, errno(EPERM), []) }
    for rule in SeccompCalls.conditional { try unsafe add(filter, rule.name, allow, rule.arguments) }
    return try unsafe export(filter)
  }

  private static let allow: UInt32 = 0x7fff_0000
  private static func errno(_ number: Int32) -> UInt32 { 0x0005_0000 | UInt32(number) }

  private static func add(
    _ filter: scmp_filter_ctx, _ name: String, _ action: UInt32, _ arguments: [scmp_arg_cmp]
  ) throws(PalanaError) {
    let number = unsafe seccomp_syscall_resolve_name(name)
    // This architecture, or this version of the library, does not know it: then the default holds.
    guard number >= 0 else { return }
    let result = unsafe arguments.withUnsafeBufferPointer {
      unsafe seccomp_rule_add_array(filter, action, number, UInt32($0.count), $0.baseAddress)
    }
    try check(result, name)
  }

  private static func export(_ filter: scmp_filter_ctx) throws(PalanaError) -> String {
    let descriptor = OwnedDescriptor(clsandbox_memory_file())
    guard descriptor.number >= 0 else { throw PalanaError(.failed, "no memory file for the system call filter") }
    try unsafe check(seccomp_export_bpf(filter, descriptor.number), "export")
    let size = Int(lseek(descriptor.number, 0, SEEK_END))
    var bytes = [UInt8](repeating: 0, count: max(size, 0))
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor.number, $0.baseAddress, $0.count, 0) }
    guard size > 0, count == size else { throw PalanaError(.failed, "the system call filter cannot be read back") }
    return String(decoding: Base64.encode(bytes), as: UTF8.self)
  }

  private static func check(_ result: Int32, _ what: String) throws(PalanaError) {
    guard result == 0 else { throw SystemCall.error(-result, "the system call filter (\(what))") }
  }
}
