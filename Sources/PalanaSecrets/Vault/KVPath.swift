package import PalanaCore

/// A path in the KV version 2 engine, below the mount: segments that are safe in a URL and in a policy.
package struct KVPath: Hashable, Sendable, CustomStringConvertible {
  /// Where Palana's engine is mounted.
  package static let mount = "kv"

  package let description: String

  /// The path of an agent's secret.
  package init(_ path: SecretPath) { description = path.description }

  /// `installation/NAME`: what the whole installation shares.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` unless the name is lower-case letters, digits and dashes.
  package static func installation(_ name: String) throws(PalanaError) -> KVPath {
    KVPath(unchecked: "installation/\(try ResourceName(name))")
  }

  /// The folder of an agent's secrets, for listing.
  package static func folder(
    _ area: SecretPath.Area, owner: UserIdentity, agent: ResourceName
  ) -> KVPath {
    KVPath(unchecked: "\(area.rawValue)/\(SecretPath.segment(of: owner))/\(agent)")
  }

  private init(unchecked: String) { description = unchecked }
}
