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
  /// It cannot be started or used; somebody must act.
  case failed(PalanaError)

  package var isReady: Bool {
    if case .ready = self { return true }
    return false
  }

  /// One sentence for people.
  package var summary: String {
    switch self {
    case .starting: "has not answered yet"
    case .ready(let version): "unsealed, version \(version)"
    case .sealed: "sealed, or without a leader: requests that need a value are refused until somebody unseals it"
    case .unreachable: "cannot be reached: requests that need a value are refused, at the latest 30 seconds from its end on"
    case .failed(let error): error.hint.isEmpty ? error.message : "\(error.message) (\(error.hint))"
    }
  }
}
