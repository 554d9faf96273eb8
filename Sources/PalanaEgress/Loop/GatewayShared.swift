import Logging
import NIOCore
import NIOSSL
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// What all event loops of one gateway share. Nothing here changes after the start but what guards itself.
final class GatewayShared: Sendable {
  let configuration: EgressGatewayConfiguration
  let resolver: NameResolver
  let leaves: LeafStore
  /// Verifies upstreams against the roots of the system and the configured ones; never against our own authority.
  let upstreamTLS: NIOSSLContext
  /// The same, offering HTTP/2 as well.
  let upstreamHTTP2: NIOSSLContext
  /// Of secrets in the store, and of tokens in memory.
  let secrets: any SecretValueSource
  let tokens = MintedTokens()
  let learner: FingerprintLearner
  let bridge: AsyncBridge
  let meters = AgentMeters()
  let clock: WallClock
  let logger: Logger

  var limits: EgressLimits { configuration.limits }
  var addresses: AddressPolicy { configuration.addresses }

  init(
    configuration: EgressGatewayConfiguration, resolver: NameResolver, leaves: LeafStore, upstreamTLS: NIOSSLContext,
    upstreamHTTP2: NIOSSLContext, secrets: any SecretValueSource, bridge: AsyncBridge, clock: WallClock, logger: Logger
  ) {
    self.configuration = configuration
    self.resolver = resolver
    self.leaves = leaves
    self.upstreamTLS = upstreamTLS
    self.upstreamHTTP2 = upstreamHTTP2
    self.secrets = GatewaySecrets(store: secrets, tokens: tokens)
    learner = FingerprintLearner(secrets: self.secrets)
    self.bridge = bridge
    self.clock = clock
    self.logger = logger
  }

  /// When each agent was active last, as the time of day.
  /// - Parameter countsOpen: whether a request under way is activity; otherwise only what was read is.
  func activity(countsOpen: Bool) -> [AgentID: Timestamp] {
    let (now, time) = (NIODeadline.now(), clock.now())
    return meters.activity(now: now, countsOpen: countsOpen).mapValues { time - .nanoseconds(max(0, (now - $0).nanoseconds)) }
  }
}
