/// Which object of a kind: what a cache and a queue know it by.
package struct ObjectKey: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// Empty for objects without a namespace.
  package var namespace: String
  package var name: String

  package init(namespace: String = "", name: String) {
    self.namespace = namespace
    self.name = name
  }

  package var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

  package static func < (left: Self, right: Self) -> Bool {
    (left.namespace, left.name) < (right.namespace, right.name)
  }
}
