import PalanaCore
import PalanaPlan

/// Pieces of the Common Expression Language, as the API server reads it.
enum CELText {
  /// A text in quotes. The escapes of JSON are those of CEL.
  static func literal(_ text: String) -> String { String(decoding: JSONValue.string(text).encoded(), as: UTF8.self) }

  static func list(_ texts: [String]) -> String { "[\(texts.map(literal).joined(separator: ", "))]" }

  /// Members of `object` and `oldObject` that may be absent.
  static func map(_ object: String, _ member: String) -> String {
    "has(\(object).metadata.\(member)) ? \(object).metadata.\(member) : {}"
  }

  /// Of an agent, by name or label. What the server makes up is not in `request.name`.
  static let isAgentNamespace =
    "has(object.metadata.name) && object.metadata.name.matches('^agent-.*[a-z0-9]-[0-9a-f]{10}$') || [object, oldObject].exists(o, o != null && has(o.metadata.labels)"
    + " && \(literal(AgentLabels.agentID)) in o.metadata.labels)"

  /// Of an agent, or with a label or annotation of the platform.
  static let isPlatformNamespace =
    "\(isAgentNamespace) || [object, oldObject].exists(o, o != null && ("
    + ["labels", "annotations"].map { "has(o.metadata.\($0)) && o.metadata.\($0).exists(k, k.startsWith('palana.dev/'))" }
    .joined(separator: " || ") + "))"
}
