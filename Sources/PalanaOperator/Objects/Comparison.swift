import PalanaCore
import PalanaPlan

/// What an object of the cluster has otherwise than it is wanted.
///
/// What nobody asked for is left alone, as it may be the server's default or somebody else's, except where it would widen what the agent
/// may do: in the kind's ``KubernetesManifest/Kind/exact`` members, and where a manifest demands that something be absent.
enum Comparison {
  /// - Returns: the paths of the members that differ, such as `spec.egress`; empty when it is as it is wanted.
  static func differences(_ wanted: KubernetesManifest, _ actual: JSONValue) -> [String] {
    var paths: [String] = []
    for (name, value) in wanted.labels where actual["metadata"]?["labels"]?[name]?.string != value {
      paths.append("metadata.labels.\(name)")
    }
    for (name, value) in wanted.annotations where actual["metadata"]?["annotations"]?[name]?.string != value {
      paths.append("metadata.annotations.\(name)")
    }
    for (name, value) in wanted.body where !wanted.kind.exact.contains(name) {
      compare(value, actual[name], isExact: false, name, &paths)
    }
    for name in wanted.kind.exact { compare(wanted.body[name] ?? .null, actual[name], isExact: true, name, &paths) }
    return paths.sorted()
  }

  /// Where every member that nobody asked for is a difference.
  static func exactDifferences(_ wanted: JSONValue?, _ actual: JSONValue?, _ path: String) -> [String] {
    var paths: [String] = []
    compare(wanted ?? .null, actual, isExact: true, path, &paths)
    return paths
  }

  private static func compare(_ wanted: JSONValue, _ actual: JSONValue?, isExact: Bool, _ path: String, _ paths: inout [String]) {
    switch (wanted, actual) {
    case (.null, _): if !isAbsent(actual) { paths.append(path) }
    case (.object(let members), .object(let others)?):
      for (name, value) in members { compare(value, others[name], isExact: isExact, "\(path).\(name)", &paths) }
      guard isExact else { return }
      for (name, value) in others where members[name] == nil && value != .null && value != [] { paths.append("\(path).\(name)") }
    case (.array(let elements), .array(let others)?):
      guard elements.count == others.count else { return paths.append(path) }
      for (index, element) in elements.enumerated() { compare(element, others[index], isExact: isExact, "\(path)[\(index)]", &paths) }
    case (.array(let elements), nil): if !elements.isEmpty { paths.append(path) }
    default: if wanted != actual { paths.append(path) }
    }
  }

  /// A number is never the same as nothing: user 0 is somebody.
  private static func isAbsent(_ value: JSONValue?) -> Bool {
    switch value {
    case nil, .null?, .bool(false)?, .string("")?, .array([])?: true
    case .object(let members)?: members.isEmpty
    case .bool?, .number?, .string?, .array?: false
    }
  }

  /// The actual object, changed to what is wanted and no further: for what applying cannot take away, because somebody else owns it.
  static func merged(_ wanted: KubernetesManifest, _ actual: JSONValue) -> JSONValue {
    guard var object = actual.object else { return wanted.json }
    var metadata = object["metadata"]?.object ?? JSONObject()
    for (member, values) in [("labels", wanted.labels), ("annotations", wanted.annotations)] {
      var texts = metadata[member]?.object ?? JSONObject()
      for (name, value) in values { texts[name] = .string(value) }
      if !texts.isEmpty { metadata[member] = .object(texts) }
    }
    metadata["managedFields"] = nil
    object["metadata"] = .object(metadata)
    for (name, value) in wanted.body where !wanted.kind.exact.contains(name) { object[name] = merge(value, object[name]) }
    for name in wanted.kind.exact { object[name] = wanted.body[name].flatMap { $0 == .null ? nil : $0.withoutNulls } }
    return .object(object)
  }

  private static func merge(_ wanted: JSONValue, _ actual: JSONValue?) -> JSONValue? {
    switch (wanted, actual) {
    case (.null, _): return nil
    case (.object(let members), .object(var others)?):
      for (name, value) in members { others[name] = merge(value, others[name]) }
      return .object(others)
    case (.array(let elements), .array(let others)?) where elements.count == others.count:
      return .array(zip(elements, others).map { merge($0, $1) ?? .null })
    default: return wanted.withoutNulls
    }
  }
}
