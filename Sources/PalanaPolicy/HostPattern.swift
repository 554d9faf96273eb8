/// A compiled host pattern: an exact host, `*.suffix` (exactly one label) or `**.suffix` (one or more labels).
package struct HostPattern: Hashable, Sendable, CustomStringConvertible {
  package enum Form: Hashable, Sendable {
    case exact(CanonicalHost)
    /// The suffix without its leading dot, for example `example.com`.
    case oneLabel(suffix: String)
    case anyLabels(suffix: String)
  }

  package let form: Form

  /// Only for the parser in this module.
  init(form: Form) { self.form = form }

  package var description: String {
    switch form {
    case .exact(let host): host.description
    case .oneLabel(let suffix): "*.\(suffix)"
    case .anyLabels(let suffix): "**.\(suffix)"
    }
  }
}
