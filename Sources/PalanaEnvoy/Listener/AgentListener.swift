import PalanaCore
import PalanaEgress
import SwiftProtobuf

/// Writes the listener that agents reach, for Envoy's listener discovery.
struct AgentListener {
  let address: IPAddress
  let port: UInt16
  /// New connections of one agent in a second, five seconds' worth at once; 0 is no limit.
  var newConnectionsPerSecond = 0

  private typealias Listener = Envoy_Config_Listener_V3_Listener
  private typealias Chain = Envoy_Config_Listener_V3_FilterChain
  private typealias State = Envoy_Extensions_Filters_Common_SetFilterState_V3_FilterStateValue

  /// - Throws: when a message cannot be encoded.
  func message(_ chains: [AgentChains.Chain]) throws -> Envoy_Config_Listener_V3_Listener {
    var listener = Listener()
    listener.name = EnvoyNames.agentListener
    listener.address.socketAddress.address = address.description
    listener.address.socketAddress.portValue = UInt32(port)
    // A listener without a chain is refused, and one that comes and goes would open and close the port.
    listener.filterChains = [try nobody()] + (try chains.map(chain))
    listener.accessLog = [try unknownSources()]
    return listener
  }

  /// Matches an address that no connection comes from.
  private func nobody() throws -> Envoy_Config_Listener_V3_FilterChain {
    var chain = Chain()
    chain.name = "nobody"
    chain.filterChainMatch.sourcePrefixRanges = [Self.single("255.255.255.255", 32)]
    chain.filters = [
      try Self.filter("envoy.filters.network.direct_response", Envoy_Extensions_Filters_Network_DirectResponse_V3_Config())
    ]
    return chain
  }

  private func chain(_ agent: AgentChains.Chain) throws -> Envoy_Config_Listener_V3_FilterChain {
    var chain = Chain()
    chain.name = agent.ticket
    let bits: UInt32 = if case .v4 = agent.source { 32 } else { 128 }
    chain.filterChainMatch.sourcePrefixRanges = [Self.single(agent.source.description, bits)]
    var limit = Envoy_Extensions_Filters_Network_ConnectionLimit_V3_ConnectionLimit()
    limit.statPrefix = "agent"
    limit.maxConnections = SwiftProtobuf.Google_Protobuf_UInt64Value(UInt64(agent.connections))
    var states = Envoy_Extensions_Filters_Network_SetFilterState_V3_Config()
    states.onNewConnection = [
      Self.state("envoy.filters.listener.original_dst.remote_ip", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", .once),
      // It goes with the connection to the upstream too, which therefore is never another agent's.
      Self.state(EnvoyNames.ticketState, agent.ticket, .transitive, factory: "envoy.hashable_string"),
    ]
    var proxy = Envoy_Extensions_Filters_Network_TcpProxy_V3_TcpProxy()
    proxy.statPrefix = "agent"
    proxy.cluster = EnvoyNames.proxyCluster
    // The inner listener has the time limits.
    proxy.idleTimeout = SwiftProtobuf.Google_Protobuf_Duration()
    // The limit of connections stands first: it counts every end of a connection, so it has to see every beginning.
    chain.filters = [try Self.filter("envoy.filters.network.connection_limit", limit)]
    if let rate = rateLimit() { chain.filters.append(try Self.filter("envoy.filters.network.local_ratelimit", rate)) }
    chain.filters += [
      try Self.filter("envoy.filters.network.set_filter_state", states),
      try Self.filter("envoy.filters.network.tcp_proxy", proxy),
    ]
    return chain
  }

  private func rateLimit() -> Envoy_Extensions_Filters_Network_LocalRatelimit_V3_LocalRateLimit? {
    guard let rate = UInt32(exactly: newConnectionsPerSecond), rate > 0 else { return nil }
    var limit = Envoy_Extensions_Filters_Network_LocalRatelimit_V3_LocalRateLimit()
    limit.statPrefix = "agent"
    limit.tokenBucket.maxTokens = rate.multipliedReportingOverflow(by: 5).overflow ? .max : rate * 5
    limit.tokenBucket.tokensPerFill = SwiftProtobuf.Google_Protobuf_UInt32Value(rate)
    limit.tokenBucket.fillInterval.seconds = 1
    return limit
  }

  /// Tells of connections for which there is no chain.
  private func unknownSources() throws -> Envoy_Config_Accesslog_V3_AccessLog {
    var configuration = Envoy_Extensions_AccessLoggers_Grpc_V3_TcpGrpcAccessLogConfig()
    configuration.commonConfig.logName = EnvoyNames.agentListener
    configuration.commonConfig.grpcService.envoyGrpc.clusterName = EnvoyNames.controlCluster
    configuration.commonConfig.transportApiVersion = .v3
    configuration.commonConfig.bufferSizeBytes = SwiftProtobuf.Google_Protobuf_UInt32Value(0)
    configuration.commonConfig.bufferFlushInterval.nanos = 50_000_000
    var log = Envoy_Config_Accesslog_V3_AccessLog()
    log.name = "palana.strangers"
    log.filter.responseFlagFilter.flags = ["NR"]
    log.typedConfig = try SwiftProtobuf.Google_Protobuf_Any(message: configuration)
    return log
  }

  private static func state(
    _ key: String, _ format: String, _ sharing: State.SharedWithUpstream, factory: String = ""
  ) -> Envoy_Extensions_Filters_Common_SetFilterState_V3_FilterStateValue {
    var value = State()
    value.objectKey = key
    value.factoryKey = factory
    value.formatString.textFormatSource.inlineString = format
    value.sharedWithUpstream = sharing
    return value
  }

  private static func single(_ address: String, _ bits: UInt32) -> Envoy_Config_Core_V3_CidrRange {
    var range = Envoy_Config_Core_V3_CidrRange()
    range.addressPrefix = address
    range.prefixLen = SwiftProtobuf.Google_Protobuf_UInt32Value(bits)
    return range
  }

  private static func filter(_ name: String, _ message: some Message) throws -> Envoy_Config_Listener_V3_Filter {
    var filter = Envoy_Config_Listener_V3_Filter()
    filter.name = name
    filter.typedConfig = try SwiftProtobuf.Google_Protobuf_Any(message: message)
    return filter
  }
}
