import Glibc
package import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaLocal
import PalanaSecrets
import PalanaStore
import ServiceLifecycle
import UnixSignals

/// The daemon of one machine: everything that `palanad local` runs, in the order in which it starts and the reverse of which it ends.
package struct LocalDaemon {
  let configuration: LocalConfiguration
  let layout: HomeLayout
  let logger: Logger

  package init(configuration: LocalConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    layout = HomeLayout(home: configuration.home)
  }

  /// Runs until SIGTERM, SIGINT or a request to end.
  ///
  /// - Throws: ``PalanaError`` that says what stood in the way of the start.
  package func run() async throws {
    try layout.prepare()
    let lock = try DaemonProcess.lock(layout.lock)
    defer { close(lock) }
    for warning in configuration.warnings { logger.warning("configuration", metadata: ["warning": "\(warning)"]) }
    let tools = LocalTools()
    let spool = try AuditSpool(directory: layout.auditSpool)
    let auditLog = try await AuditLog.open(
      path: layout.auditDatabase, spool: spool, retention: configuration.auditRetention,
      headKey: try await AuditHeadKey.load(layout.auditHeadKey), logger: logger)
    let store = try await SQLiteStore.open(path: layout.database, logger: logger)
    defer { store.close() }
    try await BuiltinTemplateSeed.apply(to: store)
    let openBao = try OpenBaoSupervisor(try secretStore(tools), logger: logger)
    let platform = LocalPlatform(
      configuration: configuration, layout: layout, tools: tools, store: store, spool: spool, auditLog: auditLog,
      openBao: openBao, logger: logger)
    let group = ServiceGroup(
      configuration: .init(
        services: [
          .init(service: auditLog), .init(service: openBao),
          .init(service: platform, successTerminationBehavior: .gracefullyShutdownGroup),
        ],
        gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
  }

  private func secretStore(_ tools: LocalTools) throws(PalanaError) -> OpenBaoConfiguration {
    guard configuration.secrets.address.isEmpty else { return try configuration.externalStore() }
    return OpenBaoConfiguration(mode: .supervised(binary: tools.openBao, folder: layout.openBao))
  }
}

/// Where the programs and libraries are that the daemon uses; each can be named by a variable of the environment.
package struct LocalTools: Sendable {
  package let openBao: String
  package let opaLibrary: String
  package let envoy: String
  /// Folder of `palana-init` and `palana-shim`.
  package let programs: String

  package init() {
    func variable(_ name: String) -> String? {
      guard let value = unsafe getenv(name) else { return nil }
      return unsafe String(cString: value)
    }
    let folder = variable("PALANA_TOOLS") ?? "/opt/palana/tools"
    openBao = variable("PALANA_BAO") ?? folder + "/openbao/bao"
    opaLibrary = variable("PALANA_OPA_LIBRARY") ?? folder + "/opa/libopabridge.so"
    envoy = variable("PALANA_ENVOY") ?? folder + "/envoy/envoy"
    programs = variable("PALANA_PROGRAMS") ?? Self.ownFolder
  }

  /// The folder of this program's binary.
  private static var ownFolder: String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count: Int = unsafe buffer.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return 0 }
      return unsafe readlink("/proc/self/exe", base.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    guard count > 0 else { return "." }
    let path = String(decoding: buffer.prefix(count), as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }
}

/// Puts the templates that come with Palana into the store, and renews them at an upgrade. One that an operator changed is left alone.
enum BuiltinTemplateSeed {
  static let label = "palana.dev/builtin"

  static func apply(to store: any ResourceStore) async throws(PalanaError) {
    let present = try await store.list(AgentTemplateSpec.self, owner: nil)
    for template in BuiltinTemplates.all {
      var wanted = template
      wanted.metadata.labels = [label: shortHash("\(template.spec)")]
      guard let known = present.first(where: { $0.metadata.name == template.metadata.name }) else {
        _ = try await store.create(wanted)
        continue
      }
      // The label holds the hash of the spec that was seeded: another spec with the old label was edited by a person.
      guard let seeded = known.metadata.labels?[label], seeded == shortHash("\(known.spec)"), known.spec != wanted.spec
      else { continue }
      wanted.metadata.resourceVersion = known.metadata.resourceVersion
      _ = try await store.update(wanted)
    }
  }
}
