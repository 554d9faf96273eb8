import Glibc
public import NIOCore
import NIOSSL

/// Runs cases against a target: as many at once as ``width``, each within ``patience``.
public struct CaseRunner: Sendable {
  public var target: CaseTarget
  public var width = 8
  public var patience: Duration = .seconds(30)
  /// How long a connection may be silent before that counts as no answer.
  public var silence: TimeAmount = .seconds(10)
  /// How long it is looked for traces that are not there yet.
  public var auditPatience: Duration = .seconds(15)
  private let upstream: CaseUpstream?
  private let tls: NIOSSLContext
  private let tlsH2: NIOSSLContext
  private let run: String

  public init(_ target: CaseTarget, upstream: CaseUpstream?) throws {
    self.target = target
    self.upstream = upstream
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(target.authority.utf8)))
    configuration.shutdownTimeout = .milliseconds(200)
    configuration.applicationProtocols = ["http/1.1"]
    tls = try NIOSSLContext(configuration: configuration)
    configuration.applicationProtocols = ["h2"]
    tlsH2 = try NIOSSLContext(configuration: configuration)
    run = String(UInt32.random(in: 0x1000_0000 ... .max), radix: 16)
    upstream?.log.expectMarks(startingWith: "k\(run)x")
    // Some cases have thousands of connections.
    var files = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0 {
      files.rlim_cur = files.rlim_max
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
    }
  }

  private struct Done: Sendable {
    var index: Int
    var attack: Attack
    var verdict: Verdict
    var milliseconds: Int
  }

  /// Runs the cases and then looks for their traces in the audit trail.
  public func callAsFunction(_ cases: [EgressCase] = EgressCase.all) async -> Posture {
    var done: [Done] = []
    let together = cases.indices.filter { !cases[$0].isExclusive }
    await withTaskGroup(of: Done.self) { group in
      var waiting = together.makeIterator()
      for _ in 0..<width { if let next = waiting.next() { group.addTask { await one(next, cases[next]) } } }
      while let finished = await group.next() {
        done.append(finished)
        if let next = waiting.next() { group.addTask { await one(next, cases[next]) } }
      }
    }
    for index in cases.indices where cases[index].isExclusive { done.append(await one(index, cases[index])) }
    done.sort { $0.index < $1.index }
    await judgeTraces(&done)
    return Posture(
      plane: target.plane, entries: done.map { Posture.Entry(cases[$0.index], $0.verdict, milliseconds: $0.milliseconds) })
  }

  private func one(_ index: Int, _ which: EgressCase) async -> Done {
    let attack = Attack(target, tls: tls, tlsH2: tlsH2, upstream: upstream, mark: "k\(run)x\(index)x", silence: silence)
    let start = ContinuousClock.now
    let patience = patience
    let verdict = await withTaskGroup(of: Verdict?.self) { group in
      group.addTask {
        do {
          return try await which.attack(attack)
        } catch let missing as Missing {
          return .notApplicable(missing.why)
        } catch {
          return .broken("\(Posture.early): \(error)")
        }
      }
      group.addTask {
        try? await Task.sleep(for: patience)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next().flatMap { $0 } ?? .broken("\(Posture.early): no end within \(patience)")
    }
    let elapsed = ContinuousClock.now - start
    return Done(
      index: index, attack: attack, verdict: verdict.and(invariants(attack, which)),
      milliseconds: Int(elapsed.components.seconds * 1000 + elapsed.components.attoseconds / 1_000_000_000_000_000))
  }

  /// What holds for everything that reaches the upstream, whatever the case is about.
  private func invariants(_ attack: Attack, _ which: EgressCase) -> Verdict {
    for request in attack.arrived {
      if let problem = HeadInvariants.problem(request.head, secret: target.secret) {
        return .broken("the upstream got \(problem): \(request.head.prefix(200).debugDescription)")
      }
    }
    return .held
  }

  // MARK: Traces

  /// Each refusal is in the trail under its id, each request that arrived is there once, and what the cases expect is there.
  private func judgeTraces(_ done: inout [Done]) async {
    guard !target.audit.isEmpty else { return }
    var problems: [Int: String] = [:]
    // The trail is written a moment later; the wait ends as soon as everything is there.
    let end = ContinuousClock.now + auditPatience
    repeat {
      problems = [:]
      do {
        let trail = try AuditTrail(running: target.audit)
        for index in done.indices { problems[index] = Self.problem(done[index].attack, trail) }
      } catch {
        for index in done.indices { problems[index] = "the audit trail could not be read: \(error)" }
      }
      if problems.isEmpty { return }
      try? await Task.sleep(for: .milliseconds(200))
    } while ContinuousClock.now < end
    for (index, problem) in problems where done[index].verdict == .held { done[index].verdict = .broken("\(Posture.trail): \(problem)") }
  }

  private static func problem(_ attack: Attack, _ trail: AuditTrail) -> String? {
    if let line = trail.malformed.first { return "a line is no JSON object: \(line.prefix(100).debugDescription)" }
    for refusal in attack.refusals {
      let found = trail.byID[refusal.id] ?? []
      guard found.count == 1 else { return "the refusal \(refusal.id) has \(found.count) events" }
      guard found[0].reason == refusal.reason else {
        return "the event of a refusal says \(found[0].reason ?? "nothing"), the answer \(refusal.reason)"
      }
    }
    for expected in attack.expectations where !trail.lines.contains(where: expected.condition) { return "no event: \(expected.claim)" }
    guard !attack.hasNoPaths else { return nil }
    for (path, requests) in Dictionary(grouping: attack.arrived, by: { String($0.target.prefix { $0 != "?" }) }) {
      // An event holds so much of a path as is useful to people.
      guard path.contains(attack.mark), path.utf8.count < 1000 else { continue }
      let events = trail.countByPath[path] ?? 0
      // A request that was sent again after a kept connection turned out to be closed is one request.
      if events == 0 || events > requests.count { return "\(requests.count) requests with the path \(path) have \(events) events" }
    }
    return nil
  }
}
