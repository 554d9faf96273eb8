import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import PalanaEgress
import PalanaLocal
import PalanaOPA
import PalanaPlan
import PalanaPolicy
import PalanaSecrets

/// What the daemon tells of itself.
extension LocalPlatform {
  func probe(
    gateway: any EgressDataPlane, network: AgentNetwork, guardrails: [any Guardrail], stopper: Stopper
  ) -> SystemProbe {
    let openBao = self.openBao
    let spool = self.spool
    let components: @Sendable () async -> [InstallationStatus.Component] = {
      let counts = await gateway.statistics()
      var list = [
        InstallationStatus.Component(name: "control", healthy: true, message: "answers"),
        InstallationStatus.Component(
          name: "egress", healthy: gateway.boundAddress != nil,
          message: gateway.boundAddress.map { "listens on \($0.address):\($0.port), \(Self.traffic(counts))\(Self.limits(gateway))" }
            ?? "does not listen yet"),
        Self.secrets(openBao.health),
        InstallationStatus.Component(
          name: "audit", healthy: spool.waitingBytes < 64 << 20,
          message: "\(spool.waitingBytes) bytes wait to be stored"
            + (counts.lostEvents == 0 ? "" : ", \(counts.lostEvents) events could not be written since the start")),
      ]
      for case let rego as RegoGuardrail in guardrails {
        let status = rego.status
        list.append(
          InstallationStatus.Component(
            name: "guardrails", healthy: status.lastError == nil,
            message: status.lastError.map { "the last good ones are in force: \($0.message)" }
              ?? "\(status.files.count) files, version \(status.version)"))
      }
      return list
    }
    return SystemProbe(
      startedAt: startedAt, home: configuration.home,
      gateway: { gateway.boundAddress.map { "\($0.address):\($0.port)" } ?? "" },
      components: components,
      checks: {
        await components().map { component in
          DoctorReport.Check(
            name: component.name, state: component.healthy ? .ok : .fail, message: component.message,
            hint: component.healthy ? "" : "the daemon's log says more")
        } + [await Self.firewall(network)]
      },
      shutdown: { stopAgents throws(PalanaError) in stopper.stop(agents: stopAgents) })
  }

  /// What this data plane does not do.
  private static func limits(_ gateway: any EgressDataPlane) -> String {
    gateway.restrictions.isEmpty ? "" : "; Envoy: " + gateway.restrictions.joined(separator: "; ")
  }

  private static func traffic(_ counts: EgressStatistics) -> String {
    "\(counts.openConnections) connections, \(counts.requests) requests (\(counts.deniedRequests) refused, \(counts.failedRequests) failed)"
  }

  private static func secrets(_ health: SecretStoreHealth) -> InstallationStatus.Component {
    .init(name: "secrets", healthy: health.isReady, message: health.isReady ? "unsealed" : health.summary)
  }

  private static func firewall(_ network: AgentNetwork) async -> DoctorReport.Check {
    do {
      let dropped = try await network.dropped().values.reduce(UInt64(0)) { $0 + $1.packets }
      return .init(
        name: "firewall", state: .ok, message: "\(network.list().count) agents have a network, \(dropped) packets were dropped")
    } catch {
      return .init(name: "firewall", state: .fail, message: error.message, hint: error.hint)
    }
  }
}
