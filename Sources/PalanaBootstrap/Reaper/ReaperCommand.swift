import ArgumentParser
import Foundation
import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaKube
import PalanaPlan
import PalanaStore

/// `palanad reaper`: one look at all agents of a cluster, for a CronJob.
struct ReaperCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reaper", abstract: "Warns agents of a cluster that do nothing, and stops their compute; one look, for a CronJob.")

  @Option(help: "The configuration file (default: none is needed).")
  var config: String?

  @Flag(help: "Say what would be done, and do nothing.")
  var dryRun = false

  @OptionGroup var cluster: ClusterOptions

  func run() async throws {
    DaemonProcess.harden()
    // The standard output has the audit events.
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    let logger = cluster.logger()
    do {
      let file = try config.map { path throws(PalanaError) in try ReaperFile.read(path) } ?? ReaperFile()
      let endpoint = try await cluster.endpoint()
      let server = try KubeServer(endpoint)
      let clock = WallClock.system
      let agents = ClusterIdleAgents(
        client: KubeClient(server, fieldManager: "palana-reaper"), namespace: cluster.namespace ?? endpoint.namespace,
        needsGateway: file.requireGateway ?? true, prometheus: file.activity, isDry: dryRun, clock: clock, logger: logger)
      let trail = dryRun ? nil : try await RoleTrail.open(home: file.home, file.audit, label: "reaper", logger: logger)
      let reaper = IdleReaper(
        agents: agents, rule: IdleRule(warnBefore: file.warnBefore?.duration ?? .seconds(900)), audit: trail?.sink ?? Nowhere(),
        clock: clock, logger: logger)
      let result: Result<IdleReaper.Report, PalanaError>
      do throws(PalanaError) { result = .success(try await reaper.look()) } catch { result = .failure(error) }
      await server.close()
      let isCollected = await handIn(trail)
      try tell(try result.get(), logger)
      // Whoever watches jobs should know; the events are on the standard output.
      if !isCollected { throw PalanaError(.unreachable, "the collector did not take the audit trail of this look in time") }
    } catch let error as PalanaError {
      logger.critical("cannot look after idle agents", metadata: ["error": "\(error)"])
      throw ExitCode(error.code.exitCode)
    }
  }

  /// How long the end waits for the collector.
  private static let patience = Duration.seconds(30)

  /// This process and its folder are gone in a moment.
  private func handIn(_ trail: RoleTrail?) async -> Bool {
    guard let (log, forwarder) = trail?.collected else { return true }
    try? await log.drain()
    // Most looks have nothing to tell.
    return log.head == 0 ? true : await forwarder.flush(within: Self.patience)
  }

  private func tell(_ report: IdleReaper.Report, _ logger: Logger) throws {
    logger.notice(
      "looked at agents that may become idle",
      metadata: [
        "agents": "\(report.looked)", "warned": "\(report.warned.count)", "stopped": "\(report.stopped.count)",
        "failed": "\(report.failed.count)",
      ])
    if dryRun {
      for id in report.warned { print("would warn \(id)") }
      for id in report.stopped { print("would stop \(id)") }
    }
    // The next look tries again; whoever watches jobs should know.
    if !report.failed.isEmpty { throw ExitCode(1) }
  }

  private struct Nowhere: AuditSink {
    func record(_ event: AuditEvent) throws(AuditUnavailable) {}
  }
}
