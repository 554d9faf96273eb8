/// Who uses the store for what. Each has its own role, policy and token, so that a hole in one part of the platform opens
/// one part of the store.
package enum SecretPurpose: String, Sendable, CaseIterable {
  /// Puts proxy-only values into requests; makes and reads the secrets of the installation.
  case gateway
  /// Adds, rotates and removes agents' secrets; cannot read a value.
  case control
  /// Puts agent-readable values into sandboxes.
  case runtime
  /// Keeps policies and roles up to date at an upgrade; cannot read a value, but can issue credentials of the others.
  case admin
  /// In a cluster: writes the policy and the role with which an agent reads its own secrets, and no other; cannot read a value.
  case `operator`

  /// Those of a store for one machine.
  package static let machine: [SecretPurpose] = [.gateway, .control, .runtime, .admin]
  /// Those of a store for a cluster, where each logs in with its service account.
  package static let cluster: [SecretPurpose] = [.gateway, .control, .operator]

  /// The name of its policy and its role.
  package var name: String { "palana-\(rawValue)" }
}
