import PalanaCore
import PalanaManifests

/// The reaper's configuration file as it is written. Everything has a default.
struct ReaperFile: Codable {
  struct Prometheus: Codable {
    var url: String
    var query: String?
    /// Bytes a second, or whatever the query counts.
    var threshold: Double?
    var tokenFile: String?
    var caFile: String?
  }

  var warnBefore: TimeSpan?
  var requireGateway: Bool?
  var prometheus: Prometheus?
  /// Where the audit trail waits until it is collected; with ``audit`` only.
  var home: String?
  var audit: AuditFile?

  /// - Throws: ``PalanaError`` with code `invalid` that names file, line and key.
  static func read(_ path: String) throws(PalanaError) -> ReaperFile {
    let documents = try ManifestDocument.parse(Array(try TextFile.read(path).utf8), file: path)
    guard let document = documents.first else { return ReaperFile() }
    guard documents.count == 1 else { throw PalanaError(.invalid, "\(path): the configuration is one document") }
    do throws(PalanaError) {
      let file = try StrictDecoder.decode(ReaperFile.self, from: document.value)
      guard let prometheus = file.prometheus else { return file }
      guard prometheus.url.hasPrefix("http://") || prometheus.url.hasPrefix("https://") else {
        throw PalanaError(.invalid, "prometheus.url: a base URL with http or https is needed")
      }
      guard prometheus.threshold ?? 1 > 0 else { throw PalanaError(.invalid, "prometheus.threshold: more than 0") }
      return file
    } catch {
      throw document.located(error)
    }
  }

  var activity: PrometheusActivity? {
    prometheus.map {
      PrometheusActivity(
        url: $0.url, query: $0.query ?? PrometheusActivity.usualQuery, threshold: $0.threshold ?? 1_000, tokenFile: $0.tokenFile,
        caFile: $0.caFile)
    }
  }
}
