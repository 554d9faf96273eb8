import Glibc
import Logging
import PalanaCore
import PalanaLocal
import PalanaSecrets
import ServiceLifecycle
import Subprocess
import Testing

/// OpenBao servers for tests, each in a folder of its own that is removed at the end.
enum OpenBaoFixture {
  static let binary: String = {
    let name = unsafe getenv("PALANA_BAO").map { unsafe String(cString: $0) }
    return name ?? "/opt/palana/tools/openbao/bao"
  }()

  /// Without the program the tests are skipped, and counted as such.
  static let isThere = unsafe access(binary, X_OK) == 0

  static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  static func withFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let folder = "/tmp/palana-bao-\(RandomToken.hex(bytes: 6))"
    let result: Result<Value, any Error>
    do { result = .success(try await body(folder)) } catch { result = .failure(error) }
    _ = try await Subprocess.run(.name("rm"), arguments: ["-rf", folder], output: .discarded)
    return try result.get()
  }

  static func supervisor(
    _ folder: String, binary: String = binary, change: (inout OpenBaoConfiguration) -> Void = { _ in }
  ) throws -> OpenBaoSupervisor {
    var configuration = OpenBaoConfiguration(
      mode: .supervised(binary: binary, folder: folder), healthInterval: .milliseconds(50))
    change(&configuration)
    return try OpenBaoSupervisor(configuration, logger: logger)
  }

  /// Runs a supervisor as the daemon does, and ends it as the daemon does.
  static func running<Value: Sendable>(
    _ supervisor: OpenBaoSupervisor, _ body: @Sendable (OpenBaoSupervisor) async throws -> Value
  ) async throws -> Value {
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      let group = ServiceGroup(services: [supervisor], logger: logger)
      tasks.addTask { try await group.run() }
      let result: Result<Value, any Error>
      do { result = .success(try await body(supervisor)) } catch { result = .failure(error) }
      await group.triggerGracefulShutdown()
      do { try await tasks.next() } catch { if case .success = result { throw error } }
      return try result.get()
    }
  }

  /// Waits until a condition holds; the test fails when it does not within 20 seconds.
  static func eventually(
    _ what: Comment, _ condition: () async throws -> Bool, location: SourceLocation = #_sourceLocation
  ) async throws {
    let start = ContinuousClock.now
    while ContinuousClock.now - start < .seconds(20) {
      if try await condition() { return }
      try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record(what, sourceLocation: location)
  }

  static func path(
    _ secret: String = "S", _ area: SecretPath.Area = .proxySecrets, agent: String = "demo"
  ) throws -> SecretPath {
    SecretPath(
      area: area, owner: try UserIdentity("alice@example.com"), agent: try ResourceName(agent), secret: secret)
  }

  /// The code of the error that an operation throws; nil: it throws none.
  static func code(_ body: () async throws -> Void) async -> PalanaError.Code? {
    do { try await body() } catch { return (error as? PalanaError)?.code ?? .failed }
    return nil
  }
}
