import Logging
import PalanaAudit
import PalanaCore
import PalanaEgress
import PalanaEnvoy
import PalanaSecrets

/// What carries the requests of agents on this machine.
extension LocalPlatform {
  func dataPlane(
    _ egress: EgressGatewayConfiguration, _ authority: CertificateAuthority, _ secrets: any SecretValueSource,
    audit: @escaping EgressGateway.AuditFactory
  ) throws(PalanaError) -> any EgressDataPlane {
    switch configuration.egress.dataPlane {
    case .builtin:
      return try EgressGateway(
        configuration: egress, certificateAuthority: authority, secrets: secrets, audit: audit, logger: logger)
    case .envoy:
      let judge = try EgressJudge(
        configuration: egress, certificateAuthority: authority, secrets: secrets, audit: audit,
        mayGoUnscrubbed: configuration.egress.envoy.unscrubbed, logger: logger)
      let folder = "/run/\(configuration.networkPrefix)-\(shortHash(configuration.home))-envoy"
      let plane = EnvoyDataPlane(
        EnvoyConfiguration(binary: tools.envoy, folder: folder, egress: egress), judge: judge, logger: logger)
      for restriction in plane.restrictions {
        logger.warning("Envoy carries the requests of agents", metadata: ["egress.restriction": "\(restriction)"])
      }
      return plane
    }
  }
}
