import NIOHTTP1

/// Who a request is made for. The server asks whether the identity of the endpoint may speak for them, then judges the request by
/// their rights: `Impersonate-User` and its companions.
package struct Impersonation: Sendable, Hashable {
  package var user: String
  package var groups: [String]
  package var uid: String?
  package var extra: [String: [String]]

  package init(user: String, groups: [String] = [], uid: String? = nil, extra: [String: [String]] = [:]) {
    self.user = user
    self.groups = groups
    self.uid = uid
    self.extra = extra
  }

  /// - Throws: ``KubeError`` of kind `invalid` for what cannot stand in a field: nothing may be left out of an identity.
  func write(into headers: inout HTTPHeaders) throws(KubeError) {
    headers.add(name: "impersonate-user", value: try Self.value(user))
    for group in groups { headers.add(name: "impersonate-group", value: try Self.value(group)) }
    if let uid { headers.add(name: "impersonate-uid", value: try Self.value(uid)) }
    for (name, values) in extra.sorted(by: { $0.key < $1.key }) {
      for value in values { headers.add(name: "impersonate-extra-" + URLText.escaped(name.lowercased()), value: try Self.value(value)) }
    }
  }

  private static func value(_ text: String) throws(KubeError) -> String {
    let bytes = text.utf8
    guard let first = bytes.first, let last = bytes.last, first != 32, last != 32, bytes.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
      throw KubeError(invalid: "an identity that is empty, or has control characters or spaces at its ends, cannot be impersonated")
    }
    return text
  }
}
