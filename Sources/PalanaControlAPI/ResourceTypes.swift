package import PalanaAPI
package import PalanaCore

/// Objects of one kind, by owner and name.
package struct ResourceList<Spec: ResourceSpec>: Codable, Hashable, Sendable {
  /// For example `AgentList`.
  package var kind: String
  package var items: [Resource<Spec>]

  package init(_ items: [Resource<Spec>]) {
    kind = Spec.kind + "List"
    self.items = items
  }
}

/// What `/v1/apply` did.
package enum ApplyAction: String, Codable, Sendable, CaseIterable { case created, configured, unchanged }

/// The answer of `/v1/apply`. The client knows the kind: it is the manifest's.
package struct ApplyResult<Spec: ResourceSpec>: Codable, Hashable, Sendable {
  package var action: ApplyAction
  package var resource: Resource<Spec>

  package init(action: ApplyAction, resource: Resource<Spec>) {
    self.action = action
    self.resource = resource
  }
}

/// Something was removed, or is being removed.
package struct DeleteResult: Codable, Hashable, Sendable {
  package var kind: String
  package var name: String
  /// False: it is still being cleaned up, and listed with a `deletionTimestamp` until then.
  package var done: Bool

  package init(kind: String, name: String, done: Bool) {
    self.kind = kind
    self.name = name
    self.done = done
  }
}

/// Names of headers of the control API, lower case.
package enum ControlHeader {
  /// The raw identity that an operator acts for.
  package static let user = "palana-user"
}

/// Annotations with a meaning for the platform.
package enum ControlAnnotation {
  /// `true` on an agent that is being deleted: its data, secrets and logs go as well.
  package static let purge = "palana.dev/purge"
}

extension PalanaError.Code {
  /// The HTTP status of an error with this code.
  package var httpStatus: Int {
    switch self {
    case .invalid: 400
    case .denied: 403
    case .notFound: 404
    case .conflict: 409
    case .failed: 500
    case .unreachable: 503
    }
  }
}
