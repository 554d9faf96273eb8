package import PalanaCore

/// Who asks the API server for something, as its authentication says.
package struct Requester: Hashable, Sendable {
  package var user: String
  package var groups: [String]

  package init(user: String, groups: [String] = []) {
    self.user = user
    self.groups = groups
  }

  /// Nil for a name that nobody can be known by, and that so owns nothing.
  package var identity: UserIdentity? { try? UserIdentity(user) }
}

/// Who may do more than owners may with what is theirs.
package struct Parties: Hashable, Sendable {
  /// What somebody is to the platform.
  package enum Role: Hashable, Sendable {
    case person
    case administrator
    case engine
    case control
    case reaper
  }

  /// Of the installation; its service accounts stand there.
  package var namespace: String
  package var administrators: [UserIdentity]
  package var administratorGroups: [String]
  /// The user name of the operator.
  package var engine: String

  /// - Parameter engine: nil: the service account `palana-operator`.
  package init(
    namespace: String = "palana-system", administrators: [UserIdentity] = [], administratorGroups: [String] = ["system:masters"],
    engine: String? = nil
  ) {
    self.namespace = namespace
    self.administrators = administrators
    self.administratorGroups = administratorGroups
    self.engine = engine ?? Self.account("palana-operator", in: namespace)
  }

  /// The user name of a service account.
  static func account(_ name: String, in namespace: String) -> String { "system:serviceaccount:\(namespace):\(name)" }

  var control: String { Self.account("palana-control", in: namespace) }
  var reaper: String { Self.account("palana-reaper", in: namespace) }

  package func role(of requester: Requester) -> Role {
    if ExactText.isSame(requester.user, engine) { return .engine }
    if ExactText.isSame(requester.user, control) { return .control }
    if ExactText.isSame(requester.user, reaper) { return .reaper }
    let isNamed = requester.identity.map(administrators.contains) ?? false
    let isInGroup = requester.groups.contains { group in administratorGroups.contains { ExactText.isSame($0, group) } }
    return isNamed || isInGroup ? .administrator : .person
  }
}

/// Texts that are the same byte by byte. Swift calls two spellings of one character equal, of which everybody else says that they differ.
enum ExactText {
  static func isSame(_ left: some StringProtocol, _ right: some StringProtocol) -> Bool { left.utf8.elementsEqual(right.utf8) }
  static func hasPrefix(_ text: String, _ prefix: String) -> Bool { text.utf8.starts(with: prefix.utf8) }

  static func isSame(_ left: JSONValue?, _ right: JSONValue?) -> Bool {
    (left ?? .null).encoded(sortedKeys: true) == (right ?? .null).encoded(sortedKeys: true)
  }
}
