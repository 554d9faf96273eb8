/// The Git part of an egress rule: which repositories, and what may be done with them.
package struct GitRule: Codable, Hashable, Sendable {
  /// The path of the repository without `.git`, or a glob: `apple/swift`, `apple/*`, `**`.
  package var repo: String
  /// In an allow rule: whether pushing is allowed too; absent: no. In a deny rule: true denies pushes only, absent denies
  /// fetches as well.
  package var push: Bool?
  /// Globs over the full names of the refs that a push may change, `refs/heads/agent/*`; absent or empty: every ref. Only
  /// with `push: true`.
  package var refs: [String]?

  package init(repo: String, push: Bool? = nil, refs: [String]? = nil) {
    self.repo = repo
    self.push = push
    self.refs = refs
  }
}
