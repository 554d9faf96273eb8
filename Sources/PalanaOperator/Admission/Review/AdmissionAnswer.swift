package import PalanaCore
import PalanaPlan

/// Why a request is refused, as the person who asked reads it.
package struct AdmissionRefusal: Error, Hashable, Sendable {
  package var code: Int
  /// The API's word for it.
  package var reason: String
  package var message: String

  static func forbidden(_ message: String) -> Self { Self(code: 403, reason: "Forbidden", message: message) }
  static func conflict(_ message: String) -> Self { Self(code: 409, reason: "Conflict", message: message) }
  static func unavailable(_ message: String) -> Self { Self(code: 503, reason: "ServiceUnavailable", message: message) }

  /// - Returns: nil when there is no problem.
  static func invalid(_ problems: [FieldError]) -> Self? {
    guard !problems.isEmpty else { return nil }
    // As many as a person reads, and as a head line of the server's log bears.
    let shown = problems.prefix(20).map(\.description).joined(separator: "; ")
    return Self(code: 422, reason: "Invalid", message: String(shown.prefix(4_000)))
  }
}

/// What a webhook answers (`AdmissionReview.response`).
package enum AdmissionAnswer: Sendable, Hashable {
  case allowed
  /// Allowed after these changes (RFC 6902).
  case changed([JSONValue])
  case refused(AdmissionRefusal)

  static let apiVersion = "admission.k8s.io/v1"

  /// The whole review that goes back.
  func review(uid: String) -> JSONValue {
    var response: JSONObject = ["uid": .string(uid), "allowed": true]
    switch self {
    case .allowed, .changed([]): break
    case .changed(let operations):
      response["patchType"] = "JSONPatch"
      response["patch"] = .string(Base64Text.encoded(JSONValue.array(operations).encoded()))
    case .refused(let refusal):
      response["allowed"] = false
      response["status"] = [
        "status": "Failure", "code": .int(refusal.code), "reason": .string(refusal.reason), "message": .string(refusal.message),
      ]
    }
    return ["apiVersion": .string(Self.apiVersion), "kind": "AdmissionReview", "response": .object(response)]
  }
}
