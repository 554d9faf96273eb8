import CSeccomp
import Glibc
import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaLocal

extension SandboxSuites {
  @Suite("system call filter")
  struct Seccomp {
    /// A call from inside, and the error numbers that are a refusal.
    struct Attack: CustomTestStringConvertible, Sendable {
      var name: String
      var call: String
      var arguments: String
      var refusals: Set<Int32> = [EPERM]
      var testDescription: String { name }
    }

    static let attacks: [Attack] = [
      Attack(name: "a new user namespace by unshare", call: "unshare", arguments: "0x10000000"),
      Attack(name: "a new network namespace by unshare", call: "unshare", arguments: "0x40000000"),
      Attack(name: "entering another namespace", call: "setns", arguments: "0, 0"),
      Attack(
        name: "a new user namespace by clone", call: "clone", arguments: "0x10000011, 0, 0, 0, 0", refusals: [ENOSYS]),
      Attack(
        name: "a new mount namespace by clone", call: "clone", arguments: "0x00020011, 0, 0, 0, 0", refusals: [ENOSYS]),
      Attack(name: "clone3, whose flags no filter sees", call: "clone3", arguments: "0, 0", refusals: [ENOSYS]),
      Attack(name: "mount", call: "mount", arguments: "0, 0, 0, 0, 0"),
      Attack(name: "umount", call: "umount2", arguments: "b'/data', 2"),
      Attack(name: "the new mount calls", call: "fsopen", arguments: "b'tmpfs', 0"),
      Attack(name: "open_tree", call: "open_tree", arguments: "-100, b'/', 1"),
      Attack(name: "move_mount", call: "move_mount", arguments: "0, 0, 0, 0, 0"),
      Attack(name: "pivot_root", call: "pivot_root", arguments: "b'/', b'/'"),
      Attack(name: "chroot", call: "chroot", arguments: "b'/tmp'"),
      Attack(name: "ptrace", call: "ptrace", arguments: "0, 0, 0, 0"),
      Attack(name: "reading another process's memory", call: "process_vm_readv", arguments: "1, 0, 0, 0, 0, 0"),
      Attack(name: "taking another process's descriptor", call: "pidfd_getfd", arguments: "0, 0, 0"),
      Attack(name: "bpf", call: "bpf", arguments: "0, 0, 0"),
      Attack(name: "perf", call: "perf_event_open", arguments: "0, 0, 0, 0, 0"),
      Attack(name: "userfaultfd", call: "userfaultfd", arguments: "1"),
      Attack(name: "io_uring", call: "io_uring_setup", arguments: "1, 0"),
      Attack(name: "keyctl", call: "keyctl", arguments: "0, 0, 0, 0, 0"),
      Attack(name: "add_key", call: "add_key", arguments: "b'user', b'x', b'x', 1, -1"),
      Attack(name: "kernel log", call: "syslog", arguments: "3, 0, 0"),
      Attack(name: "a file handle", call: "open_by_handle_at", arguments: "0, 0, 0"),
      Attack(name: "kernel module", call: "finit_module", arguments: "0, b'', 0"),
      Attack(name: "fanotify", call: "fanotify_init", arguments: "0, 0"),
      Attack(name: "packet sockets", call: "socket", arguments: "17, 3, 0", refusals: [ENOSYS]),
      Attack(name: "virtual machine sockets", call: "socket", arguments: "40, 1, 0", refusals: [ENOSYS]),
      Attack(
        name: "the same with garbage above 32 bits", call: "socket", arguments: "40 | 1 << 32, 1, 0", refusals: [ENOSYS]
      ),
      Attack(name: "kernel crypto sockets", call: "socket", arguments: "38, 5, 0", refusals: [ENOSYS]),
      Attack(name: "raw IP sockets", call: "socket", arguments: "2, 3, 1", refusals: [ENOSYS]),
      Attack(name: "SCTP", call: "socket", arguments: "2, 1, 132", refusals: [ENOSYS]),
      Attack(name: "audit netlink", call: "socket", arguments: "16, 3, 9", refusals: [ENOSYS]),
      Attack(name: "netfilter netlink", call: "socket", arguments: "16, 3, 12", refusals: [ENOSYS]),
      Attack(name: "pushing input into a terminal", call: "ioctl", arguments: "0, 0x5412, 0", refusals: [ENOSYS]),
      Attack(
        name: "the same with garbage above 32 bits", call: "ioctl", arguments: "0, 0x5412 | 1 << 32, 0",
        refusals: [ENOSYS]),
      Attack(name: "the console's own", call: "ioctl", arguments: "0, 0x541c, 0", refusals: [ENOSYS]),
      Attack(name: "weaker address randomisation", call: "personality", arguments: "0x0040000", refusals: [ENOSYS]),
      Attack(name: "a set-user-id file system call of 32 bits", call: "vhangup", arguments: ""),
    ]

    static let python = Files.exists("/usr/bin/python3")

    @Test("every attack is refused, from the agent and from a command in its sandbox", .enabled(if: python))
    func attacks() async throws {
      try await SandboxFixture.run { fixture in
        let lines = Self.attacks.enumerated().map { index, attack in
          let number = unsafe seccomp_syscall_resolve_name(attack.call)
          return "call(\(index), \(number)\(attack.arguments.isEmpty ? "" : ", " + attack.arguments))"
        }
        let program = """
          import ctypes
          libc = ctypes.CDLL(None, use_errno=True)
          def call(index, number, *args):
            ctypes.set_errno(0)
            args = [a if isinstance(a, bytes) else ctypes.c_long(a) for a in args]
            result = libc.syscall(ctypes.c_long(number), *args)
            print(index, result, ctypes.get_errno(), flush=True)
          \(lines.joined(separator: "\n"))
          """
        let plan = try fixture.plan(["/bin/sleep", "600"])
        try await fixture.start(plan)
        let inCommand = try await fixture.exec(plan.id, ["/usr/bin/python3", "-c", program])
        Self.check(inCommand.out)
        let (asAgent, _) = try await fixture.finish(
          try fixture.plan(["/usr/bin/python3", "-c", program], name: "attacker"))
        Self.check(asAgent)
      }
    }

    private static func check(_ text: String) {
      let results = text.split(separator: "\n").map { $0.split(separator: " ").compactMap { Int32($0) } }
      #expect(results.count == attacks.count, "\(text)")
      for result in results where result.count == 3 {
        let attack = attacks[Int(result[0])]
        #expect(result[1] == -1 && attack.refusals.contains(result[2]), "\(attack.name): \(result)")
      }
    }

    @Test("what programs need works: threads, sockets, pipes, terminals, subprocesses", .enabled(if: python))
    func usual() async throws {
      try await SandboxFixture.run { fixture in
        let program = """
          import threading, subprocess, socket, os, select, multiprocessing, tempfile, mmap
          t = threading.Thread(target=lambda: None); t.start(); t.join()
          assert subprocess.run(["/bin/echo", "hi"], capture_output=True).stdout == b"hi\\n"
          a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
          for family in (socket.AF_INET, socket.AF_INET6):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM): socket.socket(family, kind).close()
          socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
          e = select.epoll(); e.register(a.fileno()); e.close()
          with tempfile.TemporaryFile() as f: f.write(b"x" * 10); f.flush(); mmap.mmap(f.fileno(), 10).close()
          os.mkfifo("/tmp/fifo"); pid = os.fork()
          if pid == 0: os._exit(0)
          os.waitpid(pid, 0); os.openpty()
          with multiprocessing.Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]
          print("fine")
          """
        let (text, exit) = try await fixture.finish(try fixture.plan(["/usr/bin/python3", "-c", program]))
        #expect(text == "fine\n")
        #expect(exit.code == 0)
      }
    }

    @Test("the program is the same each time and not empty")
    func stable() throws {
      let one = try SeccompProgram.base64()
      #expect(one == (try SeccompProgram.base64()))
      #expect(one.utf8.count > 1000)
    }
  }
}
