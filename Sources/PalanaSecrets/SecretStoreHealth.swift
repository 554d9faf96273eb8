package import PalanaCore

/// How the secret store is, for status pages and decisions to wait.
package enum SecretStoreHealth: Hashable, Sendable {
  /// It has not answered yet since the start.
  case starting
  /// It answers requests.
  case ready(version: String)
  /// It runs, but it is sealed or without a leader.
  case sealed
  /// It cannot be reached. Values in the gateway end with their life.
  case unreachable
  /// It cannot be started; somebody must act.
  case failed(PalanaError)

  package var isReady: Bool {
    if case .ready = self { return true }
    return false
  }
}
