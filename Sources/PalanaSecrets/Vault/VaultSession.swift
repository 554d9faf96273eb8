package import Logging
import NIOCore
import NIOHTTP1
package import PalanaCore
import ServiceLifecycle
import Synchronization

/// A token of one purpose: gets it, renews it at half its life, and gets another one when it is lost.
///
/// The token is there on demand, also before ``run()`` and without it; the service only keeps it alive.
package final class VaultSession: Service {
  private struct State {
    var lease: VaultLease?
    /// Grows with each new token, so that a refusal of an old one does not throw away its successor.
    var generation: UInt64 = 0
  }

  private let server: VaultServer
  private let credential: VaultCredential
  private let clock: any Clock<Duration>
  private let logger: Logger
  private let state = Mutex(State())
  private let logins = SingleFlight<UInt64, Redacted<String>>()

  /// - Parameter clock: what the service waits with.
  package init(
    server: VaultServer, credential: VaultCredential, clock: any Clock<Duration> = ContinuousClock(), logger: Logger
  ) {
    self.server = server
    self.credential = credential
    self.clock = clock
    self.logger = logger
  }

  /// The present token; logs in when there is none.
  ///
  /// - Throws: ``PalanaError``: `notFound` (no credential file), `denied` (the credential is not accepted), `unreachable`.
  package func token() async throws(PalanaError) -> Redacted<String> {
    let (lease, generation) = state.withLock { ($0.lease, $0.generation) }
    if let lease { return lease.token }
    return try await logins.run(generation) { () async throws(PalanaError) in
      let lease = try await login()
      state.withLock { state in
        state.lease = lease
        state.generation += 1
      }
      return lease.token
    }
  }

  /// Says that the store refused `token`, and finds out whether the token is lost or only not allowed to do that.
  ///
  /// - Returns: whether it is lost; then ``token()`` gives another one.
  package func isLost(_ token: Redacted<String>) async throws(PalanaError) -> Bool {
    let answer = try await server.send(.GET, "auth/token/lookup-self", token: token)
    guard answer.status == 403 else { return false }
    state.withLock { state in
      guard let lease = state.lease, lease.token.matches(token) else { return }
      state.lease = nil
    }
    return true
  }

  /// Keeps a token alive until graceful shutdown. Troubles are logged and tried again with growing pauses, at most 30 seconds.
  package func run() async throws {
    await cancelWhenGracefulShutdown { await self.keepAlive() }
  }

  private func keepAlive() async {
    var failures = 0
    while !Task.isCancelled {
      let pause: Duration
      do throws(PalanaError) {
        pause = try await renewalPause()
        failures = 0
      } catch {
        failures += 1
        pause = min(.milliseconds(250 << min(failures, 7)), .seconds(30))
        logger.warning("secret store session not renewed", metadata: ["secrets.error": "\(error.message)"])
      }
      guard (try? await clock.sleep(for: pause)) != nil else { return }
    }
  }

  /// Makes sure of a token and renews it if its half life is over.
  ///
  /// - Returns: how long to wait until the next look.
  private func renewalPause() async throws(PalanaError) -> Duration {
    let known = state.withLock { $0.lease }
    guard let known else {
      _ = try await token()
      return state.withLock { $0.lease }.map(Self.halfLife) ?? .seconds(1)
    }
    if case .tokenFile = credential, !known.isRenewable {
      // Somebody else replaces the file; what it holds now counts.
      let fresh = try await login()
      state.withLock { $0.lease = fresh }
      return Self.halfLife(fresh)
    }
    guard known.isRenewable else {
      // Runs out whatever is done: take the next one in time.
      state.withLock { $0.lease = nil }
      _ = try await token()
      return state.withLock { $0.lease }.map(Self.halfLife) ?? .seconds(1)
    }
    let answer = try await server.send(.POST, "auth/token/renew-self", token: known.token)
    if answer.status == 403 {
      logger.notice("secret store token lost, logging in again")
      state.withLock { state in
        if state.lease?.token.matches(known.token) == true { state.lease = nil }
      }
      _ = try await token()
      return state.withLock { $0.lease }.map(Self.halfLife) ?? .seconds(1)
    }
    try VaultStatus.check(answer)
    var renewed = try VaultJSON.decode(VaultAuth.self, from: answer.body).lease
    renewed.granted = known.granted
    if renewed.isEnding, credential.isOwn { renewed = try await login() }
    state.withLock { state in
      if state.lease?.token.matches(known.token) == true { state.lease = renewed }
    }
    return Self.halfLife(renewed)
  }

  private static func halfLife(_ lease: VaultLease) -> Duration {
    // A token that holds for ever, or longer than it takes to notice trouble, is looked at every ten minutes.
    lease.duration == .zero ? .seconds(600) : min(max(lease.duration / 2, .milliseconds(500)), .seconds(600))
  }

  private func login() async throws(PalanaError) -> VaultLease {
    switch credential {
    case .appRole(let file):
      let content = try await SecretFile.read(file)
      let pair = try VaultJSON.encode(AppRoleCredential(content))
      return try await login("approle", pair, refusal: "the secret store does not accept the credential in \(file)")
    case .kubernetes(let account):
      let token = try Self.oneWord(try await SecretFile.read(account.tokenFile, isPrivate: false), account.tokenFile)
      let proof = try VaultJSON.encode(["role": SecretText(Redacted(account.role)), "jwt": SecretText(token)])
      return try await login(
        account.mount, proof,
        refusal: "the secret store does not accept the service account of \(account.tokenFile) for the role ‘\(account.role)’")
    case .tokenFile(let file):
      let token = try Self.oneWord(try await SecretFile.read(file, isPrivate: false), file)
      let answer = try await server.send(.GET, "auth/token/lookup-self", token: token)
      if answer.status == 403 { throw PalanaError(.denied, "the secret store does not accept the token in \(file)") }
      try VaultStatus.check(answer)
      let found = try VaultJSON.decode(VaultData<TokenFacts>.self, from: answer.body).data
      return VaultLease(token: token, duration: .seconds(max(found.ttl, 0)), isRenewable: found.renewable ?? false)
    }
  }

  private func login(
    _ mount: String, _ proof: Redacted<ByteBuffer>, refusal: String
  ) async throws(PalanaError) -> VaultLease {
    let answer = try await server.send(.POST, "auth/\(mount)/login", body: proof)
    // The store answers 400 to a credential or a role that it does not know.
    if answer.status == 400 || answer.status == 403 { throw PalanaError(.denied, refusal) }
    try VaultStatus.check(answer)
    return try VaultJSON.decode(VaultAuth.self, from: answer.body).lease
  }

  /// The first word of a file, as what can stand in a header.
  private static func oneWord(_ content: Redacted<[UInt8]>, _ file: String) throws(PalanaError) -> Redacted<String> {
    let word = content.map { bytes in
      String(decoding: bytes.split(whereSeparator: { $0 <= 0x20 }).first ?? [], as: UTF8.self)
    }
    guard !word.reveal().isEmpty, word.reveal().utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw PalanaError(.invalid, "\(file) does not hold a token")
    }
    return word
  }

  private struct TokenFacts: Decodable, Sendable {
    var ttl: Int64
    var renewable: Bool?
  }
}

extension VaultCredential {
  /// Whether another token can be had with it at any time.
  fileprivate var isOwn: Bool {
    switch self {
    case .appRole, .kubernetes: true
    case .tokenFile: false
    }
  }
}

extension VaultLease {
  /// Whether renewals give less than they did: its end is near.
  fileprivate var isEnding: Bool { duration < granted / 2 }
}
