import Glibc
import Subprocess

/// What is taken away from the server's process before it starts, as far as this machine permits.
struct OpenBaoConfinement: Hashable, Sendable {
  /// It has a network namespace of its own without any interface: nobody reaches its TCP ports and it reaches nobody.
  /// Clients use its Unix socket, which is a file.
  var ownNetwork: Bool
  /// It has no capabilities, root or not.
  var noCapabilities: Bool

  /// The strictest that works here. Each try is a few programs that replace each other, about 4 ms.
  ///
  /// - Returns: nil when not even the weakest works: the programs are missing.
  static func strictest() async -> OpenBaoConfinement? {
    for candidate in [
      OpenBaoConfinement(ownNetwork: true, noCapabilities: true),
      OpenBaoConfinement(ownNetwork: false, noCapabilities: true),
      OpenBaoConfinement(ownNetwork: false, noCapabilities: false),
    ] {
      let command = candidate.command(["true"])
      let result = try? await Subprocess.run(
        .name(command.program), arguments: Arguments(command.arguments), environment: environment, output: .discarded)
      if let result, result.terminationStatus.isSuccess { return candidate }
    }
    return nil
  }

  /// Nothing of the daemon's own environment, in which there may be credentials. Programs come from the system's folders only.
  static var environment: Environment { .custom(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"]) }

  /// What to execute so that `program` runs confined, one program replacing the other in the same process.
  ///
  /// The kernel kills it when the daemon dies in whatever way, so that no unsealed store stays behind. (The signal is bound
  /// to the thread that starts the process; the one that starts subprocesses lives as long as the daemon.)
  func command(_ program: [String]) -> (program: String, arguments: [String]) {
    let capabilities = noCapabilities ? ["--bounding-set", "-all", "--inh-caps", "-all"] : []
    let confined = ["--pdeathsig", "KILL", "--no-new-privs"] + capabilities + ["--"] + program
    let limited = ["--core=0:0", "--"]
    guard ownNetwork else { return ("prlimit", limited + ["setpriv"] + confined) }
    // Who is not root gets the right to a network namespace together with a user namespace.
    let user = geteuid() == 0 ? [] : ["--user", "--map-root-user"]
    return ("prlimit", limited + ["unshare"] + user + ["--net", "--", "setpriv"] + confined)
  }
}
