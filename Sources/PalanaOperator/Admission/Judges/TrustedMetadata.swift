import PalanaCore
import PalanaPlan

/// The labels, annotations and finalizers by which the platform decides something. Everybody may write their own beside them.
enum TrustedMetadata {
  static let prefix = "palana.dev/"
  /// Whether a deletion takes the data too: the owner's own choice.
  static let purge = "palana.dev/purge"

  /// The trusted labels and annotations that the change adds, alters or takes away, such as `annotations[palana.dev/paused]`.
  static func changes(from old: JSONValue?, to new: JSONValue?) -> [String] {
    ["labels", "annotations"].flatMap { member -> [String] in
      let (before, after) = (old?["metadata"]?[member]?.object, new?["metadata"]?[member]?.object)
      return Set((before?.keys ?? []) + (after?.keys ?? [])).sorted()
        .filter { isTrusted($0, before?[$0], after?[$0]) && !ExactText.isSame(before?[$0], after?[$0]) }
        .map { "\(member)[\($0)]" }
    }
  }

  private static func isTrusted(_ name: String, _ before: JSONValue?, _ after: JSONValue?) -> Bool {
    if ExactText.hasPrefix(name, prefix) { return true }
    // Everybody's label: ours is only the value.
    let ours = JSONValue.string(AgentLabels.manager)
    return name == AgentLabels.managedBy && (before == ours || after == ours)
  }

  /// The finalizers of the platform that are missing afterwards.
  static func lostFinalizers(from old: JSONValue?, to new: JSONValue?) -> [String] {
    func names(_ object: JSONValue?) -> [String] { object?["metadata"]?["finalizers"]?.array?.compactMap(\.string) ?? [] }
    let left = names(new)
    return names(old).filter { name in ExactText.hasPrefix(name, prefix) && !left.contains { ExactText.isSame($0, name) } }
  }

  /// - Throws: when a person changes what is not theirs.
  /// - Parameter own: those that an owner may change.
  static func check(
    from old: JSONValue?, to new: JSONValue?, by role: Parties.Role, own: Set<String> = []
  ) throws(AdmissionRefusal) {
    guard role == .person else { return }
    if let change = changes(from: old, to: new).first(where: { !own.contains($0) }) {
      throw .forbidden("metadata.\(change): only the platform and its administrators set this")
    }
    if let name = lostFinalizers(from: old, to: new).first {
      throw .forbidden("metadata.finalizers: ‘\(name)’ is taken away by the operator, when what it made is gone")
    }
  }
}
