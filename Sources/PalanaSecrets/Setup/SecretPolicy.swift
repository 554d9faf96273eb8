/// The policy of each purpose: what it may do on which paths. Everything else is denied by the store.
package enum SecretPolicy {
  /// One path with what may be done there.
  package struct Grant: Hashable, Sendable {
    package var path: String
    package var capabilities: [String]
  }

  /// What a purpose may do. The paths end in `*` only behind a full segment or a fixed prefix of Palana's own names.
  ///
  /// - Parameter authMount: where in a cluster the auth method of service accounts is.
  package static func grants(for purpose: SecretPurpose, authMount: String = KubernetesLogin.usualMount) -> [Grant] {
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
    case .operator:
      let all = ["create", "delete", "read", "update"]
      own = [
        // Names only: what an operator that was killed left of an agent is found by them.
        Grant(path: "sys/policies/acl", capabilities: ["list"]),
        Grant(path: "sys/policies/acl/\(AgentGrant.prefix)*", capabilities: all),
        Grant(path: "auth/\(authMount)/role", capabilities: ["list"]),
        Grant(path: "auth/\(authMount)/role/\(AgentGrant.prefix)*", capabilities: all),
      ]
    }
    return own + ownToken
  }

  /// A token's own care; the store's `default` policy, which allows more, is not given.
  static let ownToken = [
    Grant(path: "auth/token/lookup-self", capabilities: ["read"]),
    Grant(path: "auth/token/renew-self", capabilities: ["update"]),
    Grant(path: "auth/token/revoke-self", capabilities: ["update"]),
  ]

  /// What a token needs besides its work to find out, before anything is changed, whether it may do that work.
  package static let forBootstrap = [Grant(path: "sys/capabilities-self", capabilities: ["update"])] + ownToken

  /// The policy as the store reads it.
  package static func text(for purpose: SecretPurpose, authMount: String = KubernetesLogin.usualMount) -> String {
    text(grants(for: purpose, authMount: authMount))
  }

  /// Grants as the store reads them.
  package static func text(_ grants: [Grant]) -> String {
    grants.map { grant in
      let capabilities = grant.capabilities.map { "\"\($0)\"" }.joined(separator: ", ")
      return "path \"\(grant.path)\" {\n  capabilities = [\(capabilities)]\n}\n"
    }.joined()
  }
}
