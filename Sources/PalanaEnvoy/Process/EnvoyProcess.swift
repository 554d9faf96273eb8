import Glibc
import Logging
import PalanaCore
import PalanaEgress
import Subprocess

/// Starts Envoy as a child and follows it to its end.
struct EnvoyProcess: Sendable {
  let configuration: EnvoyConfiguration
  let logger: Logger

  /// Nothing of the daemon's own environment, in which there may be credentials.
  private static var environment: Environment { .custom(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"]) }

  /// What is executed, one program replacing the other in the same process.
  ///
  /// The kernel kills it when the daemon dies in whatever way: without the daemon nothing would be judged.
  var command: (program: String, arguments: [String]) {
    var confined = ["--core=0:0", "--", "setpriv", "--pdeathsig", "KILL", "--no-new-privs"]
    if let user = configuration.user, geteuid() == 0 {
      confined += ["--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "--bounding-set", "-all", "--inh-caps", "-all"]
    }
    var envoy = [
      configuration.binary, "-c", configuration.bootstrapFile,
      // A filter chain that goes closes its connections at once, and not in ten minutes.
      "--drain-time-s", "0", "--drain-strategy", "immediate", "--disable-hot-restart", "--log-level", "warning",
    ]
    if configuration.egress.threads > 0 { envoy += ["--concurrency", "\(configuration.egress.threads)"] }
    return ("prlimit", confined + ["--"] + envoy)
  }

  /// Runs Envoy until it ends or this task is cancelled: then it is killed.
  ///
  /// - Returns: how it ended, in words.
  /// - Throws: ``PalanaError`` with code `failed` when it could not be started.
  func run() async throws(PalanaError) -> String {
    var options = PlatformOptions()
    options.createSession = true
    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .milliseconds(500))]
    let command = command
    let logger = logger
    do {
      let result = try await Subprocess.run(
        .name(command.program), arguments: Arguments(command.arguments), environment: Self.environment,
        platformOptions: options, input: .none, output: .sequence, error: .combinedWithOutput
      ) { execution in
        var lines = LogLines()
        for try await chunk in execution.standardOutput {
          let bytes = unsafe chunk.withUnsafeBytes { unsafe Array($0) }
          for line in lines.add(bytes) { logger.warning("envoy", metadata: ["envoy.line": "\(line)"]) }
        }
      }
      switch result.terminationStatus {
      case .exited(let code): return "it exited with code \(code)"
      case .signaled(let signal): return "it was ended by signal \(signal)"
      }
    } catch {
      throw PalanaError(
        .failed, "Envoy could not be started: \(error)",
        hint: "scripts/setup --test installs it; the programs prlimit and setpriv (package util-linux) must be installed")
    }
  }
}

/// Cuts output into lines of bounded length, without control characters.
struct LogLines {
  private var rest: [UInt8] = []
  private static let longest = 1024

  mutating func add(_ bytes: [UInt8]) -> [String] {
    rest += bytes
    var lines: [String] = []
    while let end = rest.firstIndex(of: 10) {
      lines.append(Self.text(rest[..<end]))
      rest.removeSubrange(...end)
    }
    if rest.count > Self.longest {
      lines.append(Self.text(rest[...]))
      rest = []
    }
    return lines.filter { !$0.isEmpty }
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    let text = String(decoding: bytes.prefix(longest), as: UTF8.self)
    return String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }))
  }
}
