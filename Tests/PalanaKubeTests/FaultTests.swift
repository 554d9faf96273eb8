import Foundation
import Logging
import NIOCore
import NIOHTTP1
import PalanaCore
import Synchronization
import Testing

@testable import PalanaKube

/// What becomes of servers that are slow, cut things off, or do not end.
@Suite(.timeLimit(.minutes(5))) struct FaultTests {
  private let pods = KubeResource("", "v1", "pods", kind: "Pod")

  private func failure(_ answer: ScriptedServer.Answer, _ limits: KubeLimits = KubeLimits()) async throws -> KubeError? {
    try await ScriptedServer.run { _, _ in
      answer
    } _: { server in
      try await server.client(limits: limits) { client in
        await #expect(throws: KubeError.self) { try await client.get(pods, "one", in: "ns") }
      }
    }
  }

  @Test(arguments: [
    ScriptedServer.Answer(hangs: true), ScriptedServer.Answer(pieces: [#"{"kind":"#], staysOpen: true),
    ScriptedServer.Answer(status: 500, pieces: ["{"], staysOpen: true),
  ])
  func aServerThatDoesNotAnswerToTheEnd(answer: ScriptedServer.Answer) async throws {
    var limits = KubeLimits()
    limits.timeout = .milliseconds(100)
    let start = ContinuousClock.now
    let error = try await failure(answer, limits)
    #expect(error?.isTransient == true)
    // Not once for each attempt.
    #expect(.now - start < .seconds(30))
  }

  /// Each piece comes soon after the one before; the whole does not come in time.
  @Test func anAnswerThatDrips() async throws {
    var limits = KubeLimits()
    (limits.timeout, limits.attempts) = (.milliseconds(200), 1)
    let slow = ScriptedServer.Answer(pieces: [#"{"kind":"Pod""#] + Array(repeating: " ", count: 500) + ["}"], drip: .milliseconds(20))
    #expect(try await failure(slow, limits)?.kind == .unreachable)
    try await ScriptedServer.run { _, _ in
      ScriptedServer.Answer(pieces: [#"{"kind":"#, #""Pod"}"#], pause: .milliseconds(20), drip: .milliseconds(20))
    } _: { server in
      try await server.client { client in
        let pod = try await client.get(pods, "one", in: "ns")
        #expect(pod.kind == "Pod")
      }
    }
  }

  /// The fast ones are all there before the slow one, which was asked first.
  @Test func aSlowAnswerHoldsNobodyUp() async throws {
    let order = try await ScriptedServer.run { _, request in
      var answer = ScriptedServer.Answer.json(#"{"kind":"Pod"}"#)
      if request.path.hasSuffix("/slow") { answer.pause = .seconds(2) }
      return answer
    } _: { server in
      try await server.client { client in
        try await withThrowingTaskGroup(of: String.self) { group in
          group.addTask {
            _ = try await client.get(pods, "slow", in: "ns")
            return "slow"
          }
          while server.requests.isEmpty { await Task.yield() }
          for number in 0..<20 {
            group.addTask {
              _ = try await client.get(pods, "fast-\(number)", in: "ns")
              return "fast"
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
      }
    }
    #expect(order == Array(repeating: "fast", count: 20) + ["slow"])
  }

  /// A write that was throttled changed nothing, and is sent again when the server asked for it.
  @Test func aWriteKeepsThePauseToo() async throws {
    try await ScriptedServer.run { number, _ in
      number == 0 ? ScriptedServer.Answer(status: 429, headers: [("retry-after", "1")]) : .json(#"{"kind":"Pod"}"#)
    } _: { server in
      try await server.client { client in
        let start = ContinuousClock.now
        _ = try await client.apply(pods, KubeObject(pods, namespace: "ns", name: "one"))
        #expect(.now - start >= .seconds(1) && server.requests.count == 2)
      }
    }
  }

  @Test func anAnswerThatNeverEnds() async throws {
    var limits = KubeLimits()
    limits.responseBytes = 1 << 20
    let piece = "{" + String(repeating: " ", count: 65_535)
    let error = try await failure(ScriptedServer.Answer(pieces: [piece], repeats: 1_000_000), limits)
    #expect(error?.kind == .malformed)
  }

  @Test func jsonThatIsCutOff() async throws {
    #expect(try await failure(.json(#"{"kind":"Pod","metadata":{"na"#))?.kind == .malformed)
    #expect(try await failure(.json(String(repeating: "[", count: 200_000)))?.kind == .malformed)
    var limits = KubeLimits()
    limits.attempts = 1
    #expect(try await failure(ScriptedServer.Answer(pieces: [#"{"kind":"Pod"}"#], breaksOff: true), limits)?.kind == .unreachable)
  }

  @Test func theServersPauseIsKept() async throws {
    try await ScriptedServer.run { number, _ in
      number == 0 ? ScriptedServer.Answer(status: 429, headers: [("retry-after", "1")]) : .json(#"{"kind":"Pod"}"#)
    } _: { server in
      try await server.client { client in
        let start = ContinuousClock.now
        _ = try await client.get(pods, "one", in: "ns")
        #expect(.now - start >= .seconds(1) && server.requests.count == 2)
      }
    }
  }

  /// A watch is no request that is sent again by itself: its machine keeps the pause.
  @Test func theServersPauseIsKeptByAWatch() {
    var machine = WatchMachine()
    _ = machine.listed(version: "5", next: nil)
    machine.failed(KubeError(.throttled, "", retryAfter: .seconds(7)))
    #expect(machine.next(spread: 0) == .wait(.seconds(7)))
    #expect(machine.next(spread: 0) == .watch(version: "5"))
    machine.failed(KubeError(.unreachable, ""))
    #expect(machine.next(spread: 1) == .wait(.milliseconds(400)))
  }

  // MARK: Leading

  /// The server takes the lease and then says nothing more: the work ends in time, and nobody waits for the lease to be given back.
  @Test func whoCannotRenewStops() async throws {
    let lease = #"{"kind":"Lease","metadata":{"name":"l","resourceVersion":"1"},"spec":{"holderIdentity":"me","leaseDurationSeconds":15}}"#
    try await ScriptedServer.run { _, request in
      switch request.method {
      case .POST: .json(lease)
      case .GET: .json("", status: 404)
      default: ScriptedServer.Answer(hangs: true)
      }
    } _: { server in
      try await server.client { client in
        var options = LeaderElection.Options()
        options.renewWithin = .seconds(2)
        // No renewal comes before that.
        options.retry = .seconds(20)
        let election = LeaderElection(
          client, namespace: "ns", name: "l", identity: "me", options: options, logger: Logger(label: "test"))
        let start = ContinuousClock.now
        await #expect(throws: CancellationError.self) {
          try await election.lead { try await Task.sleep(for: .seconds(3600)) }
        }
        #expect(.now - start < .seconds(50))
      }
    }
  }

  // MARK: Exec plugins

  private func withPlugin<Value>(_ script: String, _ body: (ExecPlugin, String) async throws -> Value) async throws -> Value {
    let folder = NSTemporaryDirectory() + "/palana-kube-exec-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try ("#!/bin/sh\n" + script.replacing("HERE", with: folder)).write(toFile: folder + "/login", atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/login")
    return try await body(ExecPlugin(command: folder + "/login"), folder)
  }

  /// Also what it started holds nobody up, though it has its output open.
  @Test(arguments: ["exec sleep 1000", "sleep 1000 & wait", "sleep 1000 & sleep 1000"])
  func aPluginThatHangs(script: String) async throws {
    try await withPlugin(script) { plugin, _ in
      let start = ContinuousClock.now
      let error = await #expect(throws: KubeError.self) { try await plugin.credential(timeLimit: .milliseconds(200)) }
      #expect(error?.kind == .unauthenticated && .now - start < .seconds(30))
    }
  }

  @Test func aCredentialThatEndsIsMadeAnew() async throws {
    let moment = Moment()
    let script = """
      echo x >> HERE/told
      n=$(wc -l < HERE/told | tr -d ' ')
      echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"token-N","expirationTimestamp":"END"}}' \\
        | sed "s/N/$n/"
      """.replacing("END", with: "\(moment.now + .seconds(100))")
    try await withPlugin(script) { plugin, _ in
      let source = CredentialSource(.exec(plugin), clock: WallClock { moment.now })
      func token() async throws -> String? { try await source.credential().0.authorization?.reveal() }
      var tokens = [try await token()]
      for pause in [89, 2] {
        moment.pass(.seconds(pause))
        tokens.append(try await token())
      }
      #expect(tokens == ["Bearer token-1", "Bearer token-1", "Bearer token-2"])
    }
  }
}
