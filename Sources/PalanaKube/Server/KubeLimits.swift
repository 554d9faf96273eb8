/// Bounds of the conversation with an API server.
package struct KubeLimits: Sendable {
  package var connectTimeout = Duration.seconds(10)
  /// Of one request, until its whole answer is there. Watches and streams have none.
  package var timeout = Duration.seconds(60)
  /// Bytes of one answer. A page of a list is one.
  package var responseBytes = 64 << 20
  /// Bytes of one event of a watch.
  package var eventBytes = 8 << 20
  /// Objects of a page of a list.
  package var pageSize = 100
  /// How often a request is sent that did nothing: one that never arrived, or that the server had no time for. None is begun after
  /// ``timeout`` since the first.
  package var attempts = 5

  package init() {}
}
