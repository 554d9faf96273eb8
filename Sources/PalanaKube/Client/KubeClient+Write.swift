import NIOHTTP1
package import PalanaCore

/// How an object is changed by its difference.
package enum KubePatch: Sendable {
  /// RFC 7396.
  case merge(JSONValue)
  /// RFC 6902.
  case json([JSONValue])
  /// Lists are merged by their keys; for built-in kinds only.
  case strategic(JSONValue)

  var body: JSONValue {
    switch self {
    case .merge(let value), .strategic(let value): value
    case .json(let operations): .array(operations)
    }
  }

  var contentType: String {
    switch self {
    case .merge: "application/merge-patch+json"
    case .json: "application/json-patch+json"
    case .strategic: "application/strategic-merge-patch+json"
    }
  }
}

/// What becomes of what an object owns.
package enum Propagation: String, Sendable {
  case background = "Background"
  case foreground = "Foreground"
  case orphan = "Orphan"
}

extension KubeClient {
  /// - Parameter dryRun: nothing is written, the answer is what would be.
  /// - Throws: ``KubeError``; of kind `alreadyExists` when there is one of this name.
  package func create(
    _ resource: KubeResource, _ object: KubeObject, subresource: String? = nil, dryRun: Bool = false
  ) async throws(KubeError) -> KubeObject {
    let namespace = object.namespace.isEmpty ? nil : object.namespace
    let path = try resource.path(namespace: namespace, name: subresource == nil ? nil : object.name, subresource: subresource)
    let items = [("fieldManager", fieldManager)] + (dryRun ? [("dryRun", "All")] : [])
    return KubeObject(try await json(.POST, path + URLText.query(items), object.json))
  }

  /// Replaces an object as it was read: when it has a `resourceVersion`, somebody else's change in between is a `conflict`.
  package func replace(_ resource: KubeResource, _ object: KubeObject, subresource: String? = nil) async throws(KubeError) -> KubeObject {
    KubeObject(try await json(.PUT, try path(resource, object, subresource, [("fieldManager", fieldManager)]), object.json))
  }

  /// Declares fields (server-side apply): those of this manager that are missing now are given up, the others stay.
  ///
  /// - Parameters:
  ///   - force: takes fields over that another manager owns; otherwise they are a `conflict`.
  ///   - dryRun: nothing is written, the answer is what would be.
  package func apply(
    _ resource: KubeResource, _ object: KubeObject, subresource: String? = nil, force: Bool = true, dryRun: Bool = false
  ) async throws(KubeError) -> KubeObject {
    var items = [("fieldManager", fieldManager), ("force", "\(force)")]
    if dryRun { items.append(("dryRun", "All")) }
    let path = try path(resource, object, subresource, items)
    return KubeObject(try await json(.PATCH, path, object.json, contentType: "application/apply-patch+yaml"))
  }

  package func patch(
    _ resource: KubeResource, _ name: String, in namespace: String? = nil, _ patch: KubePatch, subresource: String? = nil
  ) async throws(KubeError) -> KubeObject {
    let path = try resource.path(namespace: namespace, name: name, subresource: subresource)
    return KubeObject(
      try await json(.PATCH, path + URLText.query([("fieldManager", fieldManager)]), patch.body, contentType: patch.contentType))
  }

  /// Asks for the deletion; finalizers may keep the object for a while.
  ///
  /// - Parameters:
  ///   - uid: only this one, not another of the same name.
  ///   - resourceVersion: only as it was then.
  ///   - grace: seconds that a pod gets to end; nil: as the object says.
  /// - Returns: false when there was none.
  @discardableResult
  package func delete(
    _ resource: KubeResource, _ name: String, in namespace: String? = nil, uid: String? = nil, resourceVersion: String? = nil,
    propagation: Propagation = .background, grace: Int? = nil
  ) async throws(KubeError) -> Bool {
    var options: JSONObject = ["propagationPolicy": .string(propagation.rawValue)]
    if let grace { options["gracePeriodSeconds"] = .number(JSONNumber(grace)) }
    var conditions = JSONObject()
    if let uid { conditions["uid"] = .string(uid) }
    if let resourceVersion { conditions["resourceVersion"] = .string(resourceVersion) }
    if !conditions.isEmpty { options["preconditions"] = .object(conditions) }
    do throws(KubeError) {
      _ = try await json(.DELETE, try resource.path(namespace: namespace, name: name), .object(options))
      return true
    } catch {
      guard error.kind == .notFound else { throw error }
      return false
    }
  }

  /// Asks for the deletion of all that are selected.
  package func deleteAll(_ resource: KubeResource, _ selection: Selection) async throws(KubeError) {
    let options: JSONValue = ["propagationPolicy": "Background"]
    _ = try await json(.DELETE, try resource.path(namespace: selection.namespace) + URLText.query(selection.items), options)
  }

  private func path(
    _ resource: KubeResource, _ object: KubeObject, _ subresource: String?, _ items: [(String, String)]
  ) throws(KubeError) -> String {
    let namespace = object.namespace.isEmpty ? nil : object.namespace
    return try resource.path(namespace: namespace, name: object.name, subresource: subresource) + URLText.query(items)
  }
}
