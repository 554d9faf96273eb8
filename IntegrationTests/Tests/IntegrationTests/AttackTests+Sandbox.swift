import Foundation
import Glibc
import Testing

/// What code inside a sandbox tries against the kernel, the machine and the other agents.
@Suite struct SandboxAttackTests {
  private static func source(_ name: String) throws -> String {
    try String(contentsOfFile: Checkout.root + "IntegrationTests/inside/\(name).py", encoding: .utf8)
  }

  @Test func whatAnAgentMustNotDoFails() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("attacker")
    let refused: Set<Substring> = [
      "EPERM", "EACCES", "EROFS", "ENOSYS", "ENOENT", "EINVAL", "EIO", "ENETUNREACH", "EADDRNOTAVAIL", "ETIMEDOUT",
    ]
    let lines = try await platform.python("attacker", Self.source("attacks")).split(separator: "\n")
    #expect(lines.count == 42)
    for line in lines {
      let parts = line.split(separator: " ")
      #expect(parts.count == 2 && refused.contains(parts[1]), "\(line)")
    }
    try await platform.pcli("delete", "attacker", "--purge")
  }

  @Test func oneAgentCannotUseUpWhatAllShare() async throws {
    let platform = try await Platform.shared.get()
    try await platform.start("glutton")
    try await platform.start("neighbour")
    var taken: [String: Int] = [:]
    for line in try await platform.python("glutton", Self.source("exhaust")).split(separator: "\n") {
      let parts = line.split(separator: " ")
      taken[String(parts[0])] = Int(parts[1])
    }
    // It did take something.
    #expect(taken.count == 5 && taken.values.allSatisfy { $0 > 0 }, "\(taken)")
    #expect(taken["terminals"] ?? .max <= 128)
    // 300 connections with full buffers would be more than 256 MiB.
    #expect(taken["pages"] ?? .max < 65_536, "\(taken)")

    let other = try await platform.python(
      "neighbour",
      """
      import ctypes, os
      libc = ctypes.CDLL(None)
      print(libc.inotify_init() >= 0, libc.syscall(222, 1, None, ctypes.byref(ctypes.c_void_p())) == 0,
            libc.mq_open(b"/mine", os.O_CREAT | os.O_RDWR, 0o600, None) >= 0, os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY) >= 0)
      """)
    #expect(other == "True True True True\n")
    // Root on the machine, whose child the agent's namespace is.
    let watch = inotify_init()
    #expect(watch >= 0)
    close(watch)
    for agent in ["glutton", "neighbour"] { try await platform.pcli("delete", agent, "--purge") }
  }
}
