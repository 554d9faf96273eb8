package import PalanaCore
import PalanaLLM

/// Turns a file and the environment into a ``LocalConfiguration``; every mistake names its file, line and key.
package enum ConfigurationLoader {
  private typealias Entry = ConfigurationDocument.Entry
  private typealias Apply = @Sendable (Entry, inout LocalConfiguration) throws(PalanaError) -> Void

  /// - Parameters:
  ///   - yaml: the text of the file; nil: no file.
  ///   - file: its name for messages.
  ///   - environment: variables; those that start with `PALANA_` and name a key win over the file.
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func load(
    yaml: String?, file: String, environment: [String: String]
  ) throws(PalanaError) -> LocalConfiguration {
    var configuration = LocalConfiguration()
    var document = ConfigurationDocument()
    if let yaml {
      document = try ConfigurationDocument(yaml: yaml, file: file, leaves: ["egress.dns.hosts", "llm.redact"], trees: ["llm.routes"])
    }
    for path in keys.keys.sorted() {
      let variable = variable(for: path)
      guard let text = environment[variable] else { continue }
      document.add(path: path, value: .scalar(text), variable: variable)
    }
    for entry in document.entries {
      guard let apply = keys[entry.path] else { throw unknown(entry) }
      try apply(entry, &configuration)
    }
    let ways = [configuration.secrets.tokenFile, configuration.secrets.kubernetes.role].count { !$0.isEmpty }
    guard ways == (configuration.secrets.address.isEmpty ? 0 : 1) else {
      throw PalanaError(
        .invalid, "secrets.address and one of secrets.tokenFile and secrets.kubernetes.role belong together: set both or none")
    }
    if !configuration.secrets.caFile.isEmpty, configuration.secrets.address.isEmpty {
      throw PalanaError(.invalid, "secrets.caFile goes with secrets.address: the daemon's own OpenBao needs none")
    }
    return configuration
  }

  /// `egress.dns.upstreamCA` → `PALANA_EGRESS_DNS_UPSTREAM_CA`.
  package static func variable(for path: String) -> String {
    var text = "PALANA_"
    var previousIsLower = false
    for character in path {
      if character == "." {
        text.append("_")
        previousIsLower = false
        continue
      }
      if character.isUppercase, previousIsLower { text.append("_") }
      previousIsLower = character.isLowercase
      text.append(contentsOf: character.uppercased())
    }
    return text
  }

  /// Every key with how it is read. The keys of the documentation are checked against this table by a test.
  package static var keyPaths: [String] { keys.keys.sorted() }

  private static let keys: [String: Apply] = [
    "home": { entry, to throws(PalanaError) in to.home = try absolutePath(entry) },
    "control.listen": { entry, to throws(PalanaError) in to.control.listen = try optionalEndpoint(entry) },
    "control.tokenFile": { entry, to throws(PalanaError) in to.control.tokenFile = try text(entry) },
    "control.group": { entry, to throws(PalanaError) in to.control.group = try text(entry) },
    "control.oidc.issuer": { entry, to throws(PalanaError) in try later(entry, &to) },
    "control.oidc.clientID": { entry, to throws(PalanaError) in try later(entry, &to) },
    "control.oidc.clientSecret": { entry, to throws(PalanaError) in try later(entry, &to) },
    "egress.listen": { entry, to throws(PalanaError) in to.egress.listen = try optionalEndpoint(entry) },
    "egress.threads": { entry, to throws(PalanaError) in to.egress.threads = try number(entry, 1...256) },
    "egress.dataPlane": { entry, to throws(PalanaError) in
      guard let plane = LocalConfiguration.DataPlane(rawValue: try text(entry)) else { throw wrong(entry, "builtin or envoy is expected") }
      to.egress.dataPlane = plane
    },
    "egress.envoy.unscrubbed": { entry, to throws(PalanaError) in to.egress.envoy.unscrubbed = try flag(entry) },
    "egress.dns.servers": { entry, to throws(PalanaError) in
      to.egress.dnsServers = try list(entry) { text throws(PalanaError) in
        if let address = IPAddress(text) { return LocalConfiguration.Endpoint(address: address, port: 53) }
        return try endpoint(text, entry)
      }
    },
    "egress.dns.hosts": { entry, to throws(PalanaError) in
      to.egress.dnsHosts = [:]
      for (name, value) in try map(entry) {
        guard let address = IPAddress(value) else {
          throw wrong(entry, "‘\(value.prefix(60))’ (for \(name.prefix(80))) is not an IP address")
        }
        to.egress.dnsHosts[name] = address
      }
    },
    "egress.upstreamCA": { entry, to throws(PalanaError) in
      to.egress.upstreamCA = try list(entry) { text throws(PalanaError) in text }
    },
    "egress.allowAddresses": { entry, to throws(PalanaError) in
      to.egress.allowAddresses = try list(entry) { text throws(PalanaError) in
        do throws(PalanaError) { return try CIDR(text) } catch { throw wrong(entry, error.message) }
      }
    },
    "egress.transparent.enabled": { entry, to throws(PalanaError) in to.egress.transparent.isEnabled = try flag(entry) },
    "egress.transparent.port": { entry, to throws(PalanaError) in
      to.egress.transparent.port = try number(entry, 1...65_535)
    },
    "egress.transparent.range": { entry, to throws(PalanaError) in
      do throws(PalanaError) {
        let range = try CIDR(try text(entry))
        guard case .v4 = range.base, (8...24).contains(range.prefix) else {
          throw PalanaError(.invalid, "the range is IPv4 with a prefix of 8 to 24 bits")
        }
        to.egress.transparent.range = range
      } catch {
        throw wrong(entry, error.message)
      }
    },
    "egress.limits.headerBytes": { entry, to throws(PalanaError) in
      to.egress.limits.headerBytes = try number(entry, 1024...1_048_576)
    },
    "egress.limits.bodyRewriteBytes": { entry, to throws(PalanaError) in
      to.egress.limits.bodyRewriteBytes = try number(entry, 0...67_108_864)
    },
    "egress.limits.connectionsPerAgent": { entry, to throws(PalanaError) in
      to.egress.limits.connectionsPerAgent = try number(entry, 1...65_535)
    },
    "egress.limits.newConnectionsPerSecond": { entry, to throws(PalanaError) in
      to.egress.limits.newConnectionsPerSecond = try number(entry, 0...1_000_000)
    },
    "egress.limits.requestsInFlight": { entry, to throws(PalanaError) in
      to.egress.limits.requestsInFlight = try number(entry, 0...1_000_000)
    },
    "egress.limits.bytesPerSecond": { entry, to throws(PalanaError) in
      to.egress.limits.bytesPerSecond = try number(entry, 0...100_000_000_000)
    },
    "egress.limits.requestBodyBytes": { entry, to throws(PalanaError) in
      to.egress.limits.requestBodyBytes = try number(entry, 0...1_000_000_000_000_000)
    },
    "egress.limits.refusalsPerSecond": { entry, to throws(PalanaError) in
      to.egress.limits.refusalsPerSecond = try number(entry, 0...1_000_000)
    },
    "gateway.agents": { entry, to throws(PalanaError) in to.gateway.agents = try absolutePath(entry) },
    "gateway.patience": { entry, to throws(PalanaError) in
      do throws(PalanaError) { to.gateway.patience = try TimeSpan(try text(entry)).duration } catch {
        throw wrong(entry, error.message)
      }
    },
    "idle.warnBefore": { entry, to throws(PalanaError) in
      do throws(PalanaError) { to.idle.warnBefore = try TimeSpan(try text(entry)).duration } catch {
        throw wrong(entry, error.message)
      }
    },
    "gateway.probes": { entry, to throws(PalanaError) in to.gateway.probes = try optionalEndpoint(entry) },
    "gateway.cluster.enabled": { entry, to throws(PalanaError) in to.gateway.cluster.isEnabled = try flag(entry) },
    "gateway.cluster.namespace": { entry, to throws(PalanaError) in to.gateway.cluster.namespace = try text(entry) },
    "gateway.cluster.podName": { entry, to throws(PalanaError) in to.gateway.cluster.podName = try text(entry) },
    "gateway.cluster.kubeconfig": { entry, to throws(PalanaError) in to.gateway.cluster.kubeconfig = try text(entry) },
    "gateway.cluster.context": { entry, to throws(PalanaError) in to.gateway.cluster.context = try text(entry) },
    "gateway.cluster.patience": { entry, to throws(PalanaError) in
      do throws(PalanaError) {
        let span = try TimeSpan(try text(entry))
        guard (.seconds(2)...Duration.seconds(3600)).contains(span.duration) else { throw PalanaError(.invalid, "2s to 1h") }
        to.gateway.cluster.patience = span.duration
      } catch {
        throw wrong(entry, error.message)
      }
    },
    "egress.limits.http2.streams": { entry, to throws(PalanaError) in
      to.egress.limits.http2.streams = try number(entry, 1...10_000)
    },
    "egress.limits.http2.streamWindow": { entry, to throws(PalanaError) in
      to.egress.limits.http2.streamWindow = try number(entry, 65_535...67_108_864)
    },
    "egress.limits.http2.connectionWindow": { entry, to throws(PalanaError) in
      to.egress.limits.http2.connectionWindow = try number(entry, 65_535...268_435_456)
    },
    "llm.listen": { entry, to throws(PalanaError) in to.llm.listen = try optionalEndpoint(entry) },
    "llm.default": { entry, to throws(PalanaError) in to.llm.defaultRoute = try text(entry) },
    "llm.routes": { entry, to throws(PalanaError) in to.llm.routes = try routes(entry) },
    "llm.redact": { entry, to throws(PalanaError) in to.llm.redact = try patterns(entry) },
    "llm.contentLog.retention": { entry, to throws(PalanaError) in
      do throws(PalanaError) {
        let span = try TimeSpan(try text(entry))
        guard span.duration >= .seconds(3600) else { throw PalanaError(.invalid, "at least 1h is kept") }
        to.llm.contentLog.retention = span.duration
      } catch {
        throw wrong(entry, error.message)
      }
    },
    "llm.contentLog.maxBytes": { entry, to throws(PalanaError) in to.llm.contentLog.maxBytes = try bytes(entry, "64Mi", "1Ti") },
    "llm.contentLog.maxRecordBytes": { entry, to throws(PalanaError) in
      to.llm.contentLog.maxRecordBytes = try bytes(entry, "1Ki", "8Mi")
    },
    "llm.prices": { entry, to throws(PalanaError) in to.llm.prices = try absolutePath(entry) },
    "secrets.address": { entry, to throws(PalanaError) in to.secrets.address = try text(entry) },
    "secrets.caFile": { entry, to throws(PalanaError) in to.secrets.caFile = try text(entry) },
    "secrets.kubernetes.mount": { entry, to throws(PalanaError) in to.secrets.kubernetes.mount = try text(entry) },
    "secrets.kubernetes.role": { entry, to throws(PalanaError) in to.secrets.kubernetes.role = try text(entry) },
    "secrets.kubernetes.tokenFile": { entry, to throws(PalanaError) in to.secrets.kubernetes.tokenFile = try text(entry) },
    "secrets.tokenFile": { entry, to throws(PalanaError) in to.secrets.tokenFile = try text(entry) },
    "opa.bundles": { entry, to throws(PalanaError) in
      to.opa.bundles = try list(entry) { text throws(PalanaError) in text }
    },
    "opa.server": { entry, to throws(PalanaError) in to.opa.server = try text(entry) },
    "audit.retention": { entry, to throws(PalanaError) in
      do throws(PalanaError) {
        let span = try TimeSpan(try text(entry))
        guard span.duration >= .seconds(3600) else { throw PalanaError(.invalid, "at least 1h is kept") }
        to.auditRetention = span.duration
      } catch {
        throw wrong(entry, error.message)
      }
    },
    "audit.collector.url": { entry, to throws(PalanaError) in
      do throws(PalanaError) { to.auditCollector.url = try CollectorSettings.checked(url: try text(entry)) } catch {
        throw wrong(entry, error.message)
      }
    },
    "audit.collector.caFile": { entry, to throws(PalanaError) in to.auditCollector.caFile = try text(entry) },
    "audit.collector.tokenFile": { entry, to throws(PalanaError) in to.auditCollector.tokenFile = try text(entry) },
    "audit.collector.keep": { entry, to throws(PalanaError) in
      do throws(PalanaError) { to.auditCollector.keep = try TimeSpan(try text(entry)).duration } catch {
        throw wrong(entry, error.message)
      }
    },
    "audit.stdout": { entry, to throws(PalanaError) in to.auditStdout = try flag(entry) },
    "network.subnet": { entry, to throws(PalanaError) in
      let written = try text(entry)
      do throws(PalanaError) {
        let range = try CIDR(written)
        guard case .v4 = range.base, (8...24).contains(range.prefix) else {
          throw PalanaError(.invalid, "the subnet is IPv4 with a prefix of 8 to 24 bits")
        }
      } catch {
        throw wrong(entry, error.message)
      }
      to.subnet = written
    },
    "network.prefix": { entry, to throws(PalanaError) in
      let name = try text(entry)
      let fits = name.utf8.enumerated().allSatisfy { index, byte in
        (97...122).contains(byte) || (index > 0 && (48...57).contains(byte))
      }
      guard (1...6).contains(name.utf8.count), fits else {
        throw wrong(entry, "1 to 6 lower-case letters and digits, a letter first")
      }
      to.networkPrefix = name
    },
  ]

  // MARK: - Reading one value

  private static func wrong(_ entry: Entry, _ why: String) -> PalanaError {
    PalanaError(.invalid, "\(entry.origin): \(entry.path): \(why)")
  }

  private static func unknown(_ entry: Entry) -> PalanaError {
    let near = keys.keys.min { distance($0, entry.path) < distance($1, entry.path) }
    let hint = near.flatMap { distance($0, entry.path) <= 4 ? "did you mean \($0)?" : nil } ?? ""
    return PalanaError(.invalid, "\(entry.origin): \(entry.path): there is no such key", hint: hint)
  }

  private static func text(_ entry: Entry) throws(PalanaError) -> String {
    guard case .scalar(let text) = entry.value else { throw wrong(entry, "one value is expected, not a list or a group") }
    return text
  }

  private static func flag(_ entry: Entry) throws(PalanaError) -> Bool {
    guard let value = Bool(try text(entry)) else { throw wrong(entry, "true or false is expected") }
    return value
  }

  private static func number(_ entry: Entry, _ range: ClosedRange<Int>) throws(PalanaError) -> Int {
    guard let number = Int(try text(entry)), range.contains(number) else {
      throw wrong(entry, "a whole number from \(range.lowerBound) to \(range.upperBound) is expected")
    }
    return number
  }

  /// An amount of bytes between two, which are written as it is.
  private static func bytes(_ entry: Entry, _ least: String, _ most: String) throws(PalanaError) -> Int {
    let written = try text(entry)
    do throws(PalanaError) {
      let amount = try ByteQuantity(written).bytes
      guard (try ByteQuantity(least).bytes...(try ByteQuantity(most).bytes)).contains(amount) else {
        throw PalanaError(.invalid, "\(least) to \(most) is expected")
      }
      return Int(amount)
    } catch {
      throw wrong(entry, error.message)
    }
  }

  private static func absolutePath(_ entry: Entry) throws(PalanaError) -> String {
    let path = try text(entry)
    guard path.hasPrefix("/"), path.utf8.count < 80, !path.contains("\0") else {
      throw wrong(entry, "an absolute path of less than 80 bytes is expected (a socket's path has little room)")
    }
    return path
  }

  private static func endpoint(_ text: String, _ entry: Entry) throws(PalanaError) -> LocalConfiguration.Endpoint {
    do throws(PalanaError) { return try LocalConfiguration.Endpoint(parsing: text) } catch { throw wrong(entry, error.message) }
  }

  private static func optionalEndpoint(_ entry: Entry) throws(PalanaError) -> LocalConfiguration.Endpoint? {
    let written = try text(entry)
    return written.isEmpty ? nil : try endpoint(written, entry)
  }

  private static func list<Element>(
    _ entry: Entry, _ read: (String) throws(PalanaError) -> Element
  ) throws(PalanaError) -> [Element] {
    let texts: [String]
    switch entry.value {
    case .list(let items): texts = items
    // From the environment: separated by commas.
    case .scalar(let text): texts = text.isEmpty ? [] : text.split(separator: ",").map(String.init)
    case .map, .tree: throw wrong(entry, "a list is expected")
    }
    var result: [Element] = []
    for text in texts { result.append(try read(text)) }
    return result
  }

  private static func map(_ entry: Entry) throws(PalanaError) -> [String: String] {
    switch entry.value {
    case .map(let map): return map
    case .scalar(let text):
      var result: [String: String] = [:]
      for pair in text.split(separator: ",") {
        let parts = pair.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else { throw wrong(entry, "NAME=VALUE pairs separated by commas are expected") }
        result[String(parts[0])] = String(parts[1])
      }
      return result
    case .list(let items) where items.isEmpty: return [:]
    case .list, .tree: throw wrong(entry, "a mapping of names is expected, not a list")
    }
  }

  private static func patterns(_ entry: Entry) throws(PalanaError) -> [String: String] {
    let patterns: [String: String]
    switch entry.value {
    case .map(let map): patterns = map
    case .scalar(""): patterns = [:]
    case .scalar, .list, .tree: throw wrong(entry, "a mapping of names to expressions is expected")
    }
    for (name, pattern) in patterns {
      do throws(PalanaError) { _ = try RedactionPattern(name: name, pattern: pattern) } catch { throw wrong(entry, error.message) }
    }
    return patterns
  }

  /// Each route is read whole, so that a mistake is found at the start and not by the first request.
  private static func routes(_ entry: Entry) throws(PalanaError) -> [String: LLMRouteFile] {
    let tree: JSONValue
    switch entry.value {
    case .tree(let value): tree = value
    case .scalar(""): return [:]
    // From the environment: JSON.
    case .scalar(let text):
      do throws(PalanaError) { tree = try JSONValue(parsing: Array(text.utf8)) } catch { throw wrong(entry, error.message) }
    case .list, .map: throw wrong(entry, "a mapping of names is expected")
    }
    do throws(PalanaError) {
      let written = try StrictDecoder.decode([String: LLMRouteFile].self, from: tree, at: entry.path)
      for (name, route) in written { _ = try route.route(name) }
      return written
    } catch {
      throw PalanaError(.invalid, "\(entry.origin): \(error.message)", hint: error.hint)
    }
  }

  /// A key of a part that a later version brings: accepted, so that one file serves, and said.
  private static func later(_ entry: Entry, _ configuration: inout LocalConfiguration) throws(PalanaError) {
    if case .scalar("") = entry.value { return }
    configuration.warnings.append("\(entry.origin): \(entry.path) has no effect in this version")
  }

  /// Levenshtein's distance, for the hint about a misspelt key.
  private static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.utf8)
    let right = Array(right.utf8)
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var previous = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let cost = previous + (a == b ? 0 : 1)
        previous = row[j + 1]
        row[j + 1] = min(cost, row[j + 1] + 1, row[j] + 1)
      }
    }
    return row[right.count]
  }
}
