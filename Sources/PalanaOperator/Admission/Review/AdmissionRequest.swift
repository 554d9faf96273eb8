package import PalanaCore
import PalanaKube

/// What the API server asks a webhook (`admission.k8s.io/v1`, `AdmissionReview.request`).
package struct AdmissionRequest: Sendable {
  package enum Operation: String, Sendable {
    case create = "CREATE"
    case update = "UPDATE"
    case delete = "DELETE"
    case connect = "CONNECT"
  }

  package var uid: String
  package var group: String
  /// Plural, such as `pods`.
  package var resource: String
  /// Such as `exec`; empty: the object itself.
  package var subresource: String
  package var operation: Operation
  /// Empty where the server makes it up later.
  package var name: String
  /// Empty for what belongs to the cluster.
  package var namespace: String
  package var requester: Requester
  /// Absent when something is deleted.
  package var object: JSONValue?
  /// Absent when something is made.
  package var oldObject: JSONValue?
  package var isDryRun: Bool

  /// - Throws: ``PalanaError`` with code `invalid` for what is not an `AdmissionReview` with a request.
  package init(review bytes: [UInt8]) throws(PalanaError) {
    let review = try JSONValue(parsing: bytes)
    guard review["kind"]?.string == "AdmissionReview", review["apiVersion"]?.string == AdmissionAnswer.apiVersion else {
      throw PalanaError(.invalid, "not an AdmissionReview of \(AdmissionAnswer.apiVersion)")
    }
    guard let request = review["request"], let uid = request["uid"]?.string, (1...128).contains(uid.utf8.count),
      let operation = request["operation"]?.string.flatMap(Operation.init), let resource = request["resource"]?["resource"]?.string,
      let user = request["userInfo"]?["username"]?.string
    else {
      throw PalanaError(.invalid, "the review lacks a request with uid, operation, resource and userInfo.username")
    }
    self.uid = uid
    self.operation = operation
    self.resource = resource
    group = request["resource"]?["group"]?.string ?? ""
    subresource = request["subResource"]?.string ?? ""
    name = request["name"]?.string ?? ""
    namespace = request["namespace"]?.string ?? ""
    requester = Requester(user: user, groups: request["userInfo"]?["groups"]?.array?.compactMap(\.string) ?? [])
    object = Self.given(request["object"])
    oldObject = Self.given(request["oldObject"])
    isDryRun = request["dryRun"]?.bool ?? false
  }

  private static func given(_ value: JSONValue?) -> JSONValue? { value == .null ? nil : value }

  /// Namespace and name of the object, also one whose name the server has just made up.
  var key: ObjectKey {
    let own = (object ?? oldObject)?["metadata"]?["name"]?.string ?? ""
    return ObjectKey(namespace: namespace, name: name.isEmpty ? own : name)
  }
}
