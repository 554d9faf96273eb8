package import Logging
package import PalanaCore

/// Keeps a folder as the secret store has an agent's own secrets: for the container that stands beside an agent in its pod.
package struct SecretFollower: Sendable {
  /// What a look at the store found.
  package enum Sight: Hashable, Sendable {
    /// The folder is as the store says now.
    case followed(changed: Bool)
    /// The store gives nothing, to nobody who asks as we do.
    case refused
  }

  private let store: VaultClient
  private let owner: UserIdentity
  private let agent: ResourceName
  private let folder: SecretFolder
  private let clock: any Clock<Duration>
  private let logger: Logger

  /// - Parameter store: with the rights of an ``AgentGrant``.
  package init(
    store: VaultClient, owner: UserIdentity, agent: ResourceName, folder: SecretFolder, clock: any Clock<Duration> = ContinuousClock(),
    logger: Logger
  ) {
    self.store = store
    self.owner = owner
    self.agent = agent
    self.folder = folder
    self.clock = clock
    self.logger = logger
  }

  /// Looks once, and writes what it finds. A secret that may not be read, or is gone, has no file.
  ///
  /// - Throws: ``PalanaError``: `unreachable`, `failed`. The files stay as they are then.
  package func look() async throws(PalanaError) -> Sight {
    var secrets: [String: [String: Redacted<String>]] = [:]
    do throws(PalanaError) {
      for name in try await store.list(.folder(.agents, owner: owner, agent: agent)) where SecretNames.isIdentifier(name) {
        let path = KVPath(SecretPath(area: .agents, owner: owner, agent: agent, secret: name))
        do throws(PalanaError) { secrets[name] = try await store.read(path).values } catch {
          guard error.code == .notFound || error.code == .denied else { throw error }
        }
      }
    } catch {
      guard error.code == .denied else { throw error }
      return .refused
    }
    return .followed(changed: try await folder.set(secrets))
  }

  /// Looks until the files are there for the first time.
  ///
  /// - Throws: ``PalanaError`` when it is given up.
  package func first() async throws(PalanaError) {
    var pause = Duration.milliseconds(500)
    while true {
      do throws(PalanaError) {
        if case .followed = try await look() { return }
        logger.notice("the secret store does not know this agent yet")
      } catch {
        guard error.code != .invalid else { throw error }
        logger.warning("the secrets could not be read", metadata: ["error": "\(error.message)"])
      }
      guard (try? await clock.sleep(for: pause)) != nil else { throw PalanaError(.failed, "waiting for the secret store was given up") }
      pause = min(pause * 2, .seconds(10))
    }
  }

  /// Follows until it is cancelled. While the store is away the files stay; when it refuses twice in a row, as after a kill, they go.
  package func follow(every interval: Duration) async {
    var refusals = 0
    while !Task.isCancelled {
      do throws(PalanaError) {
        switch try await look() {
        case .followed(let hasChanged):
          refusals = 0
          if hasChanged { logger.notice("the files are as the secret store says") }
        case .refused:
          // The store also refuses logins while it cannot ask the API server.
          refusals += 1
          if refusals >= 2, try await folder.set([:]) { logger.notice("the secret store refuses: the files are gone") }
        }
      } catch {
        logger.warning("the secrets could not be read", metadata: ["error": "\(error.message)"])
      }
      guard (try? await clock.sleep(for: interval)) != nil else { return }
    }
  }
}
