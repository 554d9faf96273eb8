import Logging
import PalanaAudit
import PalanaCore
import PalanaEgress
import PalanaEnvoy
import PalanaSecrets

/// What carries the requests of agents.
extension LocalConfiguration {
  /// - Parameter envoyFolder: where Envoy's socket and files are; Envoy's user has to be able to pass through what is above it.
  func dataPlane(
    _ gateway: EgressGatewayConfiguration, _ authority: CertificateAuthority, _ secrets: any SecretValueSource,
    tools: LocalTools, logger: Logger, envoyFolder: String, audit: @escaping EgressGateway.AuditFactory
  ) throws(PalanaError) -> any EgressDataPlane {
    switch egress.dataPlane {
    case .builtin:
      return try EgressGateway(
        configuration: gateway, certificateAuthority: authority, secrets: secrets, audit: audit, logger: logger)
    case .envoy:
      guard egress.limits.bytesPerSecond == 0 else {
        throw PalanaError(
          .invalid, "egress.limits.bytesPerSecond: Envoy does not hold agents to a rate of bytes",
          hint: "leave it out, or use egress.dataPlane: builtin")
      }
      let judge = try EgressJudge(
        configuration: gateway, certificateAuthority: authority, secrets: secrets, audit: audit,
        mayGoUnscrubbed: egress.envoy.unscrubbed, logger: logger)
      let plane = EnvoyDataPlane(
        EnvoyConfiguration(binary: tools.envoy, folder: envoyFolder, egress: gateway), judge: judge, logger: logger)
      for restriction in plane.restrictions {
        logger.warning("Envoy carries the requests of agents", metadata: ["egress.restriction": "\(restriction)"])
      }
      return plane
    }
  }
}
