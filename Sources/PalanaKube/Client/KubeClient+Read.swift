import NIOHTTP1
import PalanaCore

/// Which objects of a collection.
package struct Selection: Sendable, Hashable {
  /// nil: all namespaces.
  package var namespace: String?
  /// A label selector, such as `palana.dev/agent,app in (a,b)`.
  package var labels: String?
  /// A field selector, such as `metadata.name=x`.
  package var fields: String?

  package init(namespace: String? = nil, labels: String? = nil, fields: String? = nil) {
    self.namespace = namespace
    self.labels = labels
    self.fields = fields
  }

  var items: [(String, String)] {
    var items: [(String, String)] = []
    if let labels { items.append(("labelSelector", labels)) }
    if let fields { items.append(("fieldSelector", fields)) }
    return items
  }
}

/// A page of a collection.
package struct KubePage: Sendable {
  package var objects: [KubeObject]
  package var resourceVersion: String
  /// What to ask for the next page with; nil on the last.
  package var next: String?
}

extension KubeClient {
  /// - Throws: ``KubeError``; of kind `notFound` when there is none.
  package func get(_ resource: KubeResource, _ name: String, in namespace: String? = nil) async throws(KubeError) -> KubeObject {
    KubeObject(try await json(.GET, try resource.path(namespace: namespace, name: name)))
  }

  /// - Returns: nil when there is none.
  package func find(_ resource: KubeResource, _ name: String, in namespace: String? = nil) async throws(KubeError) -> KubeObject? {
    do throws(KubeError) { return try await get(resource, name, in: namespace) } catch {
      guard error.kind == .notFound else { throw error }
      return nil
    }
  }

  /// One page.
  ///
  /// - Parameter after: `next` of the page before.
  /// - Throws: ``KubeError``; of kind `gone` when the pages before are too old to go on from.
  package func page(
    _ resource: KubeResource, _ selection: Selection = Selection(), size: Int? = nil, after: String? = nil
  ) async throws(KubeError) -> KubePage {
    var items = selection.items
    items.append(("limit", "\(size ?? server.limits.pageSize)"))
    if let after { items.append(("continue", after)) }
    let list = try await json(.GET, try resource.path(namespace: selection.namespace) + URLText.query(items))
    guard let objects = list["items"]?.array ?? (list["items"] == .null ? [] : nil), let metadata = list["metadata"] else {
      throw KubeError(.malformed, "the API server's answer is not a list of \(resource)")
    }
    let kind = JSONValue.string(resource.kind)
    let version = JSONValue.string(resource.apiVersion)
    return KubePage(
      objects: objects.map { item in
        // The items of a list of a built-in kind do not say what they are.
        var object = KubeObject(item)
        if object.kind.isEmpty { object["kind"] = kind }
        if object.apiVersion.isEmpty { object["apiVersion"] = version }
        return object
      },
      resourceVersion: metadata["resourceVersion"]?.string ?? "",
      next: metadata["continue"]?.string.flatMap { $0.isEmpty ? nil : $0 })
  }

  /// The whole collection, page by page; begun anew, a few times, when it changes too fast to be read to its end.
  package func list(_ resource: KubeResource, _ selection: Selection = Selection()) async throws(KubeError) -> KubePage {
    var attempt = 1
    while true {
      do throws(KubeError) { return try await pages(resource, selection) } catch {
        guard error.kind == .gone, attempt < 3 else { throw error }
        attempt += 1
      }
    }
  }

  private func pages(_ resource: KubeResource, _ selection: Selection) async throws(KubeError) -> KubePage {
    var whole = try await page(resource, selection)
    while let next = whole.next {
      let more = try await page(resource, selection, after: next)
      whole.objects += more.objects
      whole.resourceVersion = more.resourceVersion
      whole.next = more.next
    }
    return whole
  }
}
