import PalanaCore

/// What a watch tells.
package enum WatchEvent: Sendable, Equatable {
  /// A list begins: after ``complete`` everything that was not listed since is gone.
  case began
  case listed(KubeObject)
  case complete
  case changed(KubeObject)
  case deleted(KubeObject)
  /// Nothing changed, and what is known is as new as this.
  case current
  /// It does not work at this moment and will be tried again.
  case failed(KubeError)
}

/// One line of the answer to a watch (`meta/v1` `WatchEvent`).
enum WatchLine: Equatable, Sendable {
  case changed(KubeObject)
  case deleted(KubeObject)
  case bookmark(version: String)
  case error(KubeError)

  /// - Throws: ``KubeError`` of kind `malformed`.
  init(_ line: [UInt8]) throws(KubeError) {
    guard let document = try? JSONValue(parsing: line), let object = document["object"] else {
      throw KubeError(.malformed, "an event of a watch cannot be read")
    }
    switch document["type"]?.string {
    case "ADDED", "MODIFIED": self = .changed(KubeObject(object))
    case "DELETED": self = .deleted(KubeObject(object))
    case "BOOKMARK": self = .bookmark(version: KubeObject(object).resourceVersion)
    case "ERROR": self = .error(KubeError(watch: object))
    default: throw KubeError(.malformed, "an event of a watch has an unknown type")
    }
  }
}
