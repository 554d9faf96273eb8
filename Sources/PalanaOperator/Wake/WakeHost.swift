package import PalanaCore

/// The host name of an agent's browser port: `{agent id}-{port}.{domain}`.
package enum WakeHost {
  /// - Parameters:
  ///   - host: a `Host` field or an authority, of anybody.
  ///   - domain: of all agents.
  /// - Returns: nil for the name of no agent's port.
  package static func agent(_ host: String, domain: String) -> AgentID? {
    guard host.utf8.count <= 300 else { return nil }
    let name = host.lowercased().prefix { $0 != ":" }
    guard name.hasSuffix("." + domain.lowercased()) else { return nil }
    let label = name.dropLast(domain.count + 1)
    guard !label.contains("."), let dash = label.lastIndex(of: "-"), let port = Int(label[label.index(after: dash)...]),
      (1...65_535).contains(port)
    else { return nil }
    return AgentID(parsing: String(label[..<dash]))
  }
}
