/// A kind of object as the API server addresses it: group, version and the plural name that stands in paths.
package struct KubeResource: Hashable, Sendable, CustomStringConvertible {
  /// Empty for the core group.
  package var group: String
  package var version: String
  package var plural: String
  package var kind: String
  package var isNamespaced: Bool

  package init(_ group: String, _ version: String, _ plural: String, kind: String, isNamespaced: Bool = true) {
    self.group = group
    self.version = version
    self.plural = plural
    self.kind = kind
    self.isNamespaced = isNamespaced
  }

  /// What stands in `apiVersion`, such as `apps/v1` or `v1`.
  package var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

  /// For people, as `kubectl` writes it: `deployments.apps`.
  package var description: String { group.isEmpty ? plural : "\(plural).\(group)" }

  /// The path of a collection, of one object, or of a part of one.
  ///
  /// - Parameters:
  ///   - namespace: nil for all namespaces, and for what has none.
  ///   - name: nil for the collection.
  ///   - subresource: such as `status` or `log`.
  /// - Throws: ``KubeError`` when a part cannot stand in a path.
  package func path(namespace: String?, name: String? = nil, subresource: String? = nil) throws(KubeError) -> String {
    var path = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
    if let namespace, isNamespaced { path += "/namespaces/" + (try Self.segment(namespace)) }
    path += "/\(plural)"
    if let name { path += "/" + (try Self.segment(name)) }
    if let subresource { path += "/\(subresource)" }
    return path
  }

  /// One segment, which can neither end nor leave its place: the rule of the API server for names in paths.
  private static func segment(_ text: String) throws(KubeError) -> String {
    guard !text.isEmpty, text != ".", text != "..", !text.utf8.contains(where: { $0 == 47 || $0 == 37 }) else {
      throw KubeError(invalid: "‘\(text)’ cannot be the name of an object")
    }
    return URLText.escaped(text)
  }
}

/// Percent-encoding (RFC 3986 §2.1) of everything but unreserved characters.
enum URLText {
  static func escaped(_ text: String) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        bytes.append(byte)
      default:
        bytes.append(UInt8(ascii: "%"))
        bytes.append(digit(byte >> 4))
        bytes.append(digit(byte & 15))
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }

  /// A query, with the names in the order given.
  static func query(_ items: [(String, String)]) -> String {
    items.isEmpty ? "" : "?" + items.map { "\($0)=\(escaped($1))" }.joined(separator: "&")
  }
}
