import Glibc
import PalanaCore
import PalanaSecrets
import Subprocess
import Testing

@testable import PalanaLocal

@Suite struct ServerProcessTests {
  private let note = "/tmp/palana-process-\(RandomToken.hex(bytes: 6))"

  @Test(.timeLimit(.minutes(10))) func aServerThatWasLeftBehindIsEnded() async throws {
    let result = try await Subprocess.run(
      .name("sleep"), arguments: ["600"], input: .none, output: .discarded, error: .discarded
    ) { execution in
      let process = try #require(ServerProcess(running: execution.processIdentifier.value))
      try await process.note(in: note)
      // Until this test has reaped it, its number stays taken; what counts is that it runs no more.
      #expect(try await ServerProcess.endLeftOver(note, clock: ContinuousClock()))
      #expect(!process.isRunning)
    }
    #expect(result.terminationStatus == .signaled(SIGKILL))
    #expect(try await !ServerProcess.endLeftOver(note, clock: ContinuousClock()))
    try await SecretFile.remove(note)
  }

  @Test(arguments: ["", "1 1 x", "garbage", "-1 5 b", "0 0 0", "99999999 1 boot"])
  func anOldOrBrokenNoteEndsNobody(text: String) async throws {
    try await SecretFile.write(Redacted(Array(text.utf8)), to: note)
    #expect(try await !ServerProcess.endLeftOver(note, clock: ContinuousClock()))
    try await SecretFile.remove(note)
  }

  @Test func aNumberThatWasUsedAgainIsNotTheSameProcess() async throws {
    var own = try #require(ServerProcess(running: getpid()))
    #expect(own.isRunning)
    own.began += 1
    try await own.note(in: note)
    #expect(try await !ServerProcess.endLeftOver(note, clock: ContinuousClock()))
    own.began -= 1
    own.boot = "another"
    #expect(!own.isRunning)
    try await SecretFile.remove(note)
  }

  /// The daemon's sudden death, with a shell in its place: the kernel ends what it started.
  @Test(.timeLimit(.minutes(10))) func whatIsConfinedDiesWithItsParent() async throws {
    let confinement = try #require(await OpenBaoConfinement.strictest())
    let command = confinement.command(["sleep", "600"])
    let script = "\(([command.program] + command.arguments).joined(separator: " ")) & echo $!; wait"
    let child = try await Subprocess.run(
      .name("bash"), arguments: ["-c", script], input: .none, output: .sequence, error: .discarded
    ) { execution in
      var text = ""
      for try await chunk in execution.standardOutput {
        text += String(decoding: unsafe chunk.withUnsafeBytes { unsafe Array($0) }, as: UTF8.self)
        if text.contains("\n") { break }
      }
      let pid = try #require(Int32(text.filter(\.isNumber)))
      // The signal is armed once the last of the programs runs.
      try await OpenBaoFixture.eventually("the command runs") {
        let name = try await Subprocess.run(
          .name("cat"), arguments: ["/proc/\(pid)/comm"], output: .string(limit: 64))
        return name.standardOutput == "sleep\n"
      }
      let child = try #require(ServerProcess(running: pid))
      #expect(kill(execution.processIdentifier.value, SIGKILL) == 0)
      return child
    }.closureResult
    try await OpenBaoFixture.eventually("the child is gone") { !child.isRunning }
  }

  @Test func theLogIsBoundedAndItsTailShowsNoToken() async throws {
    let path = note + ".log"
    let log = OpenBaoLog(path: path, limit: 1000)
    for index in 0..<100 {
      await log.append(Array("line \(index) token=hvs.abcdefghijklmnopqrstuvwx \u{1b}[31mred\n".utf8))
    }
    for name in [path, path + ".1"] {
      var status = stat()
      #expect(unsafe stat(name, &status) == 0)
      #expect((1...1000).contains(Int(status.st_size)))
      #expect(status.st_mode & 0o777 == 0o600)
      _ = unsafe unlink(name)
    }
    #expect(log.tail(lines: 1) == "line 99 ‹redacted› [31mred")
    #expect(log.tail().split(separator: "|").count == 5)
  }

  @Test func theServerFileHasNoListenerThatOthersReach() throws {
    for network in [OpenBaoServerFile.Network.own, .shared] {
      let text = String(
        decoding: try OpenBaoServerFile.content(OpenBaoLayout(folder: "/x/\"quoted\""), network: network), as: UTF8.self
      )
      #expect(text.contains(#""path" : "/x/\"quoted\"/data""#))
      #expect(!text.contains("0.0.0.0"))
      #expect(text.contains(network == .own ? "127.0.0.1:8200" : "127.0.0.1:0"))
    }
  }
}
