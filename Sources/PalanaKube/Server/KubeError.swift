package import PalanaCore

/// Why a request to the API server did not do what was asked: its `Status` (`meta/v1`), or that there was no answer.
package struct KubeError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of failure it is; decides what happens next.
  package enum Kind: Hashable, Sendable {
    /// 404.
    case notFound
    /// 409 `AlreadyExists`.
    case alreadyExists
    /// 409: somebody else changed it, or another field manager owns a field.
    case conflict
    /// 410, or `Expired` in a watch: what was asked about is no longer kept.
    case gone
    /// 401.
    case unauthenticated
    /// 403.
    case forbidden
    /// 400 and 422: it will never be accepted as it is.
    case invalid
    /// 429, or 5xx with a time to wait.
    case throttled
    /// 5xx.
    case server
    /// No connection, or none of its answers came in time.
    case unreachable
    /// What came is not what the API says.
    case malformed
  }

  package var kind: Kind
  /// The HTTP status; 0 when there was no answer.
  package var status: Int
  /// The server's word for it, such as `FieldManagerConflict`.
  package var reason: String
  package var message: String
  /// How long the server asks to wait.
  package var retryAfter: Duration?

  package init(_ kind: Kind, status: Int = 0, reason: String = "", _ message: String, retryAfter: Duration? = nil) {
    self.kind = kind
    self.status = status
    self.reason = reason
    self.message = message
    self.retryAfter = retryAfter
  }

  init(invalid message: String) { self.init(.invalid, message) }

  /// Of an answer: its status code and its body, which should be a `Status`.
  init(status: Int, body: [UInt8], retryAfter: String?) {
    let document = try? JSONValue(parsing: body)
    self.init(status: status, document: document, retryAfter: retryAfter)
  }

  /// Of an event of type `ERROR` in a watch.
  init(watch document: JSONValue) {
    self.init(status: document["code"]?.int ?? 500, document: document, retryAfter: nil)
  }

  private init(status: Int, document: JSONValue?, retryAfter: String?) {
    let isStatus = document?["kind"]?.string == "Status"
    self.status = status
    reason = isStatus ? document?["reason"]?.string ?? "" : ""
    // The text may be long, and is somebody else's.
    message = String((isStatus ? document?["message"]?.string : nil)?.prefix(2_000) ?? "the API server answered with status \(status)")
    let seconds = retryAfter.flatMap { Int($0) } ?? document?["details"]?["retryAfterSeconds"]?.int
    self.retryAfter = seconds.map { .seconds(min(max($0, 0), 300)) }
    kind =
      switch (status, reason) {
      case (404, _): .notFound
      case (409, "AlreadyExists"): .alreadyExists
      case (409, _): .conflict
      case (410, _), (_, "Expired"), (_, "Gone"): .gone
      case (401, _): .unauthenticated
      case (403, _): .forbidden
      case (400, _), (405, _), (406, _), (413, _), (415, _), (422, _): .invalid
      case (429, _): .throttled
      case (500..., _): seconds == nil ? .server : .throttled
      default: .malformed
      }
  }

  /// Whether the same request may succeed later without anybody changing anything.
  package var isTransient: Bool {
    switch kind {
    case .throttled, .server, .unreachable: true
    case .notFound, .alreadyExists, .conflict, .gone, .unauthenticated, .forbidden, .invalid, .malformed: false
    }
  }

  package var description: String { message }

  /// As a person sees it.
  package var palana: PalanaError {
    let code: PalanaError.Code =
      switch kind {
      case .notFound: .notFound
      case .alreadyExists, .conflict: .conflict
      case .unauthenticated, .forbidden: .denied
      case .invalid: .invalid
      case .unreachable, .throttled, .server: .unreachable
      case .gone, .malformed: .failed
      }
    return PalanaError(code, message)
  }
}
