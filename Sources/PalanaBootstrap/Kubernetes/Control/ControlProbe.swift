import PalanaAudit
import PalanaCluster
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import PalanaStore

/// What the control API tells of the installation.
struct ControlProbe: Sendable {
  let file: ControlFile
  let endpoint: KubeEndpoint
  let health: InstallationHealth
  let spool: AuditSpool
  let hasSecrets: Bool
  let access: ClusterAccess?

  func system() -> SystemProbe {
    SystemProbe(
      startedAt: WallClock.system.now(), home: "the cluster \(endpoint.url)", gateway: { "its own Service in the cluster" },
      components: { await components() },
      checks: {
        await components().map { component in
          DoctorReport.Check(
            name: component.name, state: component.healthy ? .ok : .fail, message: component.message,
            hint: component.healthy ? "" : "the log of palanad control says more")
        }
      },
      shutdown: { _ throws(PalanaError) in
        throw PalanaError(
          .denied, "the control API of a cluster is not ended by its callers", hint: "kubectl scale statefulset palana-control")
      },
      cluster: { user throws(PalanaError) in
        guard var access else {
          throw PalanaError(
            .notFound, "the address of the API server for people is not known",
            hint: "cluster.server in the configuration of palanad control")
        }
        access.namespace = OwnerNamespace.name(user)
        return access
      })
  }

  private func components() async -> [InstallationStatus.Component] {
    let waiting = spool.waitingBytes
    return await health.components().map { .init(name: $0.name, healthy: $0.isHealthy, message: $0.message) } + [
      .init(name: "secrets", healthy: hasSecrets, message: hasSecrets ? "a store is configured" : "no store is configured"),
      .init(name: "audit", healthy: waiting < 64 << 20, message: "\(waiting) bytes wait to be stored"),
    ]
  }
}
