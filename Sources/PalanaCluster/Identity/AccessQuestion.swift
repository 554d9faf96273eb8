package import PalanaCore
package import PalanaKube

/// What somebody may do, as the cluster's own rights say (`SubjectAccessReview`): for what the control API does itself once they let it.
package struct AccessQuestion: Sendable {
  private static let reviews = KubeResource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", kind: "SubjectAccessReview", isNamespaced: false)
  private let client: KubeClient

  /// - Parameter client: as the platform itself.
  package init(_ client: KubeClient) { self.client = client }

  /// The control API may speak for everybody; a person who asks it to speak for somebody else needs that right as well.
  ///
  /// - Throws: ``PalanaError``: `denied`; `unreachable` when nobody can say.
  package func require(_ one: Impersonation, toActAs other: String) async throws(PalanaError) {
    guard try await allows(one, ["verb": "impersonate", "resource": "users", "name": .string(other)]) else {
      throw PalanaError(
        .denied, "\(one.user) may not act for \(other)", hint: "the cluster role palana-admin has the right to impersonate users")
    }
  }

  /// - Throws: ``PalanaError``: `denied`; `unreachable` when nobody can say.
  func require(_ one: Impersonation, to verb: String, _ resource: KubeResource, in namespace: String) async throws(PalanaError) {
    let attributes: JSONObject = [
      "verb": .string(verb), "group": .string(resource.group), "resource": .string(resource.plural), "namespace": .string(namespace),
    ]
    guard try await allows(one, attributes) else {
      throw KubeError(
        .forbidden, status: 403, reason: "Forbidden",
        "\(resource) is forbidden: User \"\(one.user)\" cannot \(verb) resource \"\(resource.plural)\" in the namespace \"\(namespace)\""
      ).told(resource.kind)
    }
  }

  private func allows(_ one: Impersonation, _ attributes: JSONObject) async throws(PalanaError) -> Bool {
    var extra = JSONObject()
    for (key, values) in one.extra { extra[key] = .array(values.map(JSONValue.string)) }
    var spec: JSONObject = [
      "user": .string(one.user), "groups": .array(one.groups.map(JSONValue.string)), "extra": .object(extra),
      "resourceAttributes": .object(attributes),
    ]
    if let uid = one.uid { spec["uid"] = .string(uid) }
    var review = KubeObject(Self.reviews, name: "")
    review["metadata"] = [:]
    review["spec"] = .object(spec)
    do throws(KubeError) {
      return try await client.create(Self.reviews, review)["status"]?["allowed"]?.bool == true
    } catch {
      throw PalanaError(.unreachable, "the cluster cannot be asked what \(one.user) may do: \(error.message)")
    }
  }
}
