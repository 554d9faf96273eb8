import PalanaAPI
import PalanaCore

extension KillOrderSpec.Target {
  /// In words, for the audit trail and for people.
  var text: String {
    switch self {
    case .agent(let id): "agent \(id)"
    case .owner(let owner): "owner \(owner)"
    case .template(let name): "template \(name)"
    case .all: "all"
    }
  }
}
