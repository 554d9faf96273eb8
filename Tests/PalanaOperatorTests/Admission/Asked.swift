import PalanaCore

@testable import PalanaOperator

/// Requests as the API server sends them.
enum Asked {
  static func review(
    _ user: String, _ operation: AdmissionRequest.Operation, _ resource: String, object: JSONValue? = nil, old: JSONValue? = nil,
    namespace: String = "", groups: [String] = [], group: String = ""
  ) -> JSONValue {
    [
      "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
      "request": [
        "uid": "u-1", "operation": .string(operation.rawValue), "namespace": .string(namespace),
        "name": (object ?? old)?["metadata"]?["name"] ?? "",
        "resource": ["group": .string(group), "version": "v1", "resource": .string(resource)],
        "userInfo": ["username": .string(user), "groups": .array(groups.map { .string($0) })],
        "object": object ?? .null, "oldObject": old ?? .null,
      ],
    ]
  }

  static func request(
    _ user: String, _ operation: AdmissionRequest.Operation, _ resource: String, object: JSONValue? = nil, old: JSONValue? = nil,
    namespace: String = "", groups: [String] = [], group: String = ""
  ) throws -> AdmissionRequest {
    try AdmissionRequest(
      review: review(user, operation, resource, object: object, old: old, namespace: namespace, groups: groups, group: group).encoded())
  }
}
