/// How long the certificates of the webhooks live. Each is renewed in its last third.
package struct CertificateLifetimes: Hashable, Sendable {
  package var authority = Duration.seconds(365 * 86_400)
  package var serving = Duration.seconds(90 * 86_400)
  /// For so long a new authority is only trusted, before anything is signed with it: every API server has heard of it by then.
  package var overlap = Duration.seconds(3600)
  package init() {}
}
