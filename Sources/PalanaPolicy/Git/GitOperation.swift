/// What a request asks of a Git repository over the smart HTTP protocol.
package struct GitOperation: Hashable, Sendable {
  package enum Service: String, Hashable, Sendable {
    /// `git-upload-pack`: clone, fetch, ls-remote.
    case fetch
    /// `git-receive-pack`.
    case push
  }

  /// The repository's path as the request spells it, with the first slash and without `.git`.
  package let path: String
  package let service: Service
  /// Whether it only asks what there is (`info/refs`), the first request of every operation.
  package let isDiscovery: Bool
  /// The full names of the refs that a push changes; nil until its commands are read, and for everything else.
  package var refs: [String]?

  package init(path: String, service: Service, isDiscovery: Bool, refs: [String]? = nil) {
    self.path = path
    self.service = service
    self.isDiscovery = isDiscovery
    self.refs = refs
  }

  /// `owner/name`.
  package var repository: String { String(path.dropFirst()) }
}
