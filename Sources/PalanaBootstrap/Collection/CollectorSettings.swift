package import PalanaCore

/// Where the audit trail of this process is collected. The initial values are the defaults.
package struct CollectorSettings: Hashable, Sendable {
  /// Where a pod finds the token that is made for this alone.
  package static let usualTokenFile = "/var/run/secrets/palana.dev/audit/token"

  /// Base URL of the control API.
  package var url = ""
  /// PEM file of the authorities that its certificate may chain to; empty: those of the machine.
  package var caFile = ""
  package var tokenFile = CollectorSettings.usualTokenFile
  /// How long what was collected stays here too.
  package var keep = Duration.seconds(3600)

  package init() {}

  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func checked(url: String) throws(PalanaError) -> String {
    let isLocal = ["http://127.0.0.1:", "http://[::1]:"].contains { url.hasPrefix($0) }
    let base = url.firstRange(of: "://").map { url[$0.upperBound...] } ?? ""
    guard url.hasPrefix("https://") || isLocal, !base.isEmpty, !base.contains(where: { "/?#@ ".contains($0) }) else {
      throw PalanaError(.invalid, "‘\(url.prefix(80))’ is not the base URL of a collector", hint: "https://HOST or https://HOST:PORT")
    }
    return url
  }
}

/// The same as the configuration files of roles in a cluster write it: `audit: {collector: {…}}`.
struct AuditFile: Codable {
  struct Collector: Codable {
    var url: String
    var caFile: String?
    var tokenFile: String?
    var keep: TimeSpan?
  }

  var collector: Collector?

  /// - Throws: ``PalanaError`` with code `invalid`.
  func settings() throws(PalanaError) -> CollectorSettings? {
    guard let collector else { return nil }
    var settings = CollectorSettings()
    do throws(PalanaError) { settings.url = try CollectorSettings.checked(url: collector.url) } catch {
      throw PalanaError(error.code, "audit.collector.url: \(error.message)", hint: error.hint)
    }
    settings.caFile = collector.caFile ?? ""
    settings.tokenFile = collector.tokenFile ?? CollectorSettings.usualTokenFile
    settings.keep = collector.keep?.duration ?? settings.keep
    return settings
  }
}
