/// The policy of each purpose: what it may do on which paths. Everything else is denied by the store.
package enum SecretPolicy {
  /// One path with what may be done there.
  package struct Grant: Hashable, Sendable {
    package var path: String
    package var capabilities: [String]
  }

  /// What a purpose may do. The paths end in `*` only behind a full segment or a fixed prefix of Palana's own names.
  package static func grants(for purpose: SecretPurpose) -> [Grant] {
    let mount = KVPath.mount
    let agents = SecretPath.Area.agents.rawValue
    let proxy = SecretPath.Area.proxySecrets.rawValue
    let own: [Grant]
    switch purpose {
    case .gateway:
      own = [
        Grant(path: "\(mount)/data/\(proxy)/*", capabilities: ["read"]),
        // Without `update`: what is there cannot be replaced, not even by this token.
        Grant(path: "\(mount)/data/installation/*", capabilities: ["create", "read"]),
      ]
    case .control:
      own = [agents, proxy].flatMap { area in
        [
          Grant(path: "\(mount)/data/\(area)/*", capabilities: ["create", "patch", "update"]),
          Grant(path: "\(mount)/metadata/\(area)/*", capabilities: ["delete", "list", "read"]),
        ]
      }
    case .runtime:
      own = [Grant(path: "\(mount)/data/\(agents)/*", capabilities: ["read"])]
    case .admin:
      own = [
        Grant(path: "sys/policies/acl/palana-*", capabilities: ["create", "read", "update"]),
        Grant(path: "auth/approle/role/palana-*", capabilities: ["create", "read", "update"]),
        Grant(path: "\(mount)/config", capabilities: ["create", "read", "update"]),
      ]
    }
    // The token's own care; the store's `default` policy, which allows more, is not given.
    return own + [
      Grant(path: "auth/token/lookup-self", capabilities: ["read"]),
      Grant(path: "auth/token/renew-self", capabilities: ["update"]),
      Grant(path: "auth/token/revoke-self", capabilities: ["update"]),
    ]
  }

  /// The policy as the store reads it.
  package static func text(for purpose: SecretPurpose) -> String {
    grants(for: purpose).map { grant in
      let capabilities = grant.capabilities.map { "\"\($0)\"" }.joined(separator: ", ")
      return "path \"\(grant.path)\" {\n  capabilities = [\(capabilities)]\n}\n"
    }.joined()
  }
}
