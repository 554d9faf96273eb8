import PalanaAPI
import PalanaAudit
import PalanaControl
import PalanaCore
import PalanaPlan
import PalanaSecrets
import Synchronization

/// Stands in for the sandboxes: echoes what goes into `exec`, keeps what is copied in.
final class FakeEngine: AgentEngine {
  struct State {
    var copied: [String: [UInt8]] = [:]
    var execs: [ExecRequest] = []
    var cancelled = 0
    var inputs: [ExecInput] = []
    var isStopped = false
  }

  let state = Mutex(State())

  func logs(
    of agent: AgentID, _ options: LogOptions
  ) async throws(PalanaError) -> AsyncThrowingStream<LogLine, any Error> {
    let (stream, continuation) = AsyncThrowingStream<LogLine, any Error>.makeStream()
    for number in 0..<3 {
      continuation.yield(
        LogLine(
          time: Timestamp(seconds: Int64(number)), stream: number == 1 ? .stderr : .stdout, text: "line \(number)"))
    }
    if options.previous {
      continuation.finish(throwing: PalanaError(.notFound, "there is no run before this one"))
    } else if !options.follow {
      continuation.finish()
    }
    return stream
  }

  func exec(
    in agent: AgentID, _ request: ExecRequest, input: AsyncStream<ExecInput>,
    output: @escaping @Sendable (ExecOutput) async throws -> Void
  ) async throws(PalanaError) -> Int32 {
    try checkRunning(agent)
    state.withLock { $0.execs.append(request) }
    if request.command.first == "missing" { throw PalanaError(.notFound, "no such program") }
    do {
      if request.command.first == "flood" {
        for _ in 0..<64 { try await output(.stdout([UInt8](repeating: 120, count: 100_000))) }
        return 0
      }
      for await item in input {
        state.withLock { $0.inputs.append(item) }
        switch item {
        case .bytes(let bytes): try await output(.stdout(bytes))
        case .resize(let size): try await output(.stderr(Array("\(size.rows)x\(size.columns)".utf8)))
        case .signal(let number): return 128 + number
        case .endOfInput: return 7
        }
      }
      // The client said nothing of an end: like a command that does not read its input, it goes on until it is stopped.
      try await Task.sleep(for: .seconds(3600))
    } catch {
      state.withLock { $0.cancelled += 1 }
    }
    throw PalanaError(.failed, "cut off")
  }

  func copyIn(
    to agent: AgentID, directory: String, tar: AsyncThrowingStream<[UInt8], any Error>
  ) async throws(PalanaError) {
    try checkRunning(agent)
    var all: [UInt8] = []
    do { for try await piece in tar { all += piece } } catch { throw PalanaError(.failed, "the stream broke") }
    state.withLock { [all] in $0.copied[directory] = all }
  }

  func copyOut(
    from agent: AgentID, path: String
  ) async throws(PalanaError) -> AsyncThrowingStream<[UInt8], any Error> {
    try checkRunning(agent)
    guard let bytes = state.withLock({ $0.copied[path] }) else { throw PalanaError(.notFound, "no such path") }
    let (stream, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
    continuation.yield(bytes)
    continuation.finish()
    return stream
  }

  func waitForExit(of agent: AgentID) async throws(PalanaError) -> Int32 { 0 }

  private func checkRunning(_ agent: AgentID) throws(PalanaError) {
    if state.withLock({ $0.isStopped }) { throw PalanaError(.conflict, "\(agent) does not run") }
  }
}

/// A plane whose state can be read and whose failures can be arranged.
final class FakePlane: ContainmentPlane {
  struct State {
    var cut: Set<AgentID> = []
    var failures = 0
    var hangs = false
    var calls = 0
    var duringRestore: (@Sendable () async -> Void)?
  }

  let name: String
  let state = Mutex(State())

  init(_ name: String) { self.name = name }

  var cutAgents: Set<AgentID> { state.withLock { $0.cut } }

  func cut(_ agents: Set<AgentID>) async throws(PalanaError) {
    try await trouble()
    state.withLock { $0.cut.formUnion(agents) }
  }

  func restore(_ agents: Set<AgentID>) async throws(PalanaError) {
    try await trouble()
    if let hook = state.withLock({ $0.duringRestore.take() }) { await hook() }
    state.withLock { $0.cut.subtract(agents) }
  }

  private func trouble() async throws(PalanaError) {
    let (fails, hangs) = state.withLock { state in
      state.calls += 1
      let fails = state.failures > 0
      if fails { state.failures -= 1 }
      return (fails, state.hangs)
    }
    if fails { throw PalanaError(.unreachable, "arranged failure") }
    if hangs {
      do { try await Task.sleep(for: .seconds(3600)) } catch { throw PalanaError(.unreachable, "cancelled") }
    }
  }
}

/// Keeps secret values in memory, with the rules of the real store about what exists.
final class FakeSecrets: SecretWriter {
  let values = Mutex<[String: [String: Redacted<String>]]>([:])
  let isDown = Mutex(false)

  private func key(_ owner: UserIdentity, _ agent: ResourceName, _ secret: String) -> String {
    "\(owner)/\(agent)/\(secret)"
  }

  private func check() throws(PalanaError) {
    if isDown.withLock({ $0 }) { throw PalanaError(.unreachable, "the secret store is down") }
  }

  func add(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access,
    type: SecretMinting?, values new: [String: Redacted<String>]
  ) async throws(PalanaError) {
    try check()
    let key = key(owner, agent, secret)
    let isFree = values.withLock { values in
      guard values[key] == nil else { return false }
      values[key] = new
      return true
    }
    guard isFree else { throw PalanaError(.conflict, "exists") }
  }

  func rotate(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access,
    type: SecretMinting?, values new: [String: Redacted<String>]
  ) async throws(PalanaError) {
    try check()
    let key = key(owner, agent, secret)
    let exists = values.withLock { values in
      guard values[key] != nil else { return false }
      values[key]?.merge(new) { _, new in new }
      return true
    }
    guard exists else { throw PalanaError(.notFound, "missing") }
  }

  func remove(
    owner: UserIdentity, agent: ResourceName, secret: String, access: SecretBindingSpec.Access
  ) async throws(PalanaError) {
    try check()
    values.withLock { $0[key(owner, agent, secret)] = nil }
  }

  func names(_ area: SecretPath.Area, owner: UserIdentity, agent: ResourceName) async throws(PalanaError) -> [String] {
    try check()
    let folder = "\(owner)/\(agent)/"
    return values.withLock { $0.keys.filter { $0.hasPrefix(folder) }.map { String($0.dropFirst(folder.count)) }.sorted() }
  }

  func removeAll(owner: UserIdentity, agent: ResourceName) async throws(PalanaError) {
    try check()
    values.withLock { values in
      values = values.filter { !$0.key.hasPrefix("\(owner)/\(agent)/") }
    }
  }
}

/// The real writer, with a switch that makes it refuse, as a full disk would.
final class SwitchableSink: AuditSink {
  let inner: any AuditSink
  let isDown = Mutex(false)
  let events = Mutex<[AuditEvent]>([])

  init(_ inner: any AuditSink) { self.inner = inner }

  func record(_ event: AuditEvent) throws(AuditUnavailable) {
    if isDown.withLock({ $0 }) { throw AuditUnavailable("arranged") }
    try inner.record(event)
    events.withLock { $0.append(event) }
  }
}

/// What the gateway heard, each with what the secret store held at that moment.
final class FakeGateway: Sendable {
  enum Call: Equatable {
    case refresh(stored: [String])
    case forget(AgentID, stored: [String])
  }

  let calls = Mutex<[Call]>([])
  let isDown = Mutex(false)

  func gateway(_ secrets: FakeSecrets) -> GatewayNotice {
    @Sendable func stored() -> [String] {
      secrets.values.withLock { $0.map { "\($0)=\($1["token"]?.reveal() ?? "")" }.sorted() }
    }
    return GatewayNotice(
      refresh: { [self] () async throws(PalanaError) in
        calls.withLock { $0.append(.refresh(stored: stored())) }
        if isDown.withLock({ $0 }) { throw PalanaError(.failed, "arranged") }
      },
      forget: { [self] agent in calls.withLock { $0.append(.forget(agent, stored: stored())) } })
  }
}
