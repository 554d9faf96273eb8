import PalanaCore
import PalanaEgress
import PalanaOPA
import PalanaPolicy

/// What the configuration says of the gateway, in the gateway's own terms.
extension LocalConfiguration {
  func staticHosts() throws(PalanaError) -> [CanonicalHost: IPAddress] {
    var hosts: [CanonicalHost: IPAddress] = [:]
    for (name, address) in egress.dnsHosts {
      do {
        hosts[try CanonicalHost.parse(name)] = address
      } catch {
        throw PalanaError(.invalid, "egress.dns.hosts: ‘\(name.prefix(80))’ is not a host name: \(error)")
      }
    }
    return hosts
  }

  /// Where it listens is the caller's business.
  func gateway(
    at endpoint: Endpoint, addresses: AddressPolicy, hosts: [CanonicalHost: IPAddress], transparent: TransparentConfiguration?
  ) -> EgressGatewayConfiguration {
    EgressGatewayConfiguration(
      listenAddress: endpoint.address, listenPort: UInt16(clamping: endpoint.port), threads: egress.threads ?? 0,
      nameServers: egress.dnsServers.map { .init(address: $0.address, port: UInt16(clamping: $0.port)) },
      staticHosts: hosts, upstreamCAFiles: egress.upstreamCA, addresses: addresses, limits: gatewayLimits,
      transparent: transparent)
  }

  private var gatewayLimits: EgressLimits {
    var limits = EgressLimits()
    limits.headerBytes = egress.limits.headerBytes
    limits.bodyRewriteBytes = egress.limits.bodyRewriteBytes
    limits.connectionsPerAgent = egress.limits.connectionsPerAgent
    limits.newConnectionsPerSecond = egress.limits.newConnectionsPerSecond
    limits.requestsInFlight = egress.limits.requestsInFlight
    limits.bytesPerSecond = egress.limits.bytesPerSecond
    limits.requestBodyBytes = Int64(egress.limits.requestBodyBytes)
    limits.refusalsPerSecond = egress.limits.refusalsPerSecond
    limits.http2.streams = egress.limits.http2.streams
    limits.http2.streamWindow = egress.limits.http2.streamWindow
    limits.http2.connectionWindow = egress.limits.http2.connectionWindow
    return limits
  }
}
