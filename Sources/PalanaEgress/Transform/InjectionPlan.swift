import NIOCore
import PalanaCore
import PalanaSecrets

/// Which places of one request get which values. Made once per request; a value is put in exactly once and never searched.
struct InjectionPlan {
  /// A field that holds placeholders.
  struct Use {
    var field: Int
    /// Whether ``text`` is the decoded `user:password` of a Basic credential.
    var isBasic: Bool
    var text: [UInt8]
    /// Where in ``text`` which of ``bindings`` stands, left to right.
    var places: [(range: Range<Int>, binding: Int)]
  }

  private(set) var uses: [Use] = []
  /// Every secret of the request once.
  private(set) var bindings: [PlaceholderBinding] = []
  private var secrets: [Redacted<String>?] = []
  /// New values by the index of their field.
  private(set) var values: [Int: [UInt8]] = [:]
  /// What is beside the header fields; nil for nearly every request.
  var message: MessagePlaces?
  /// Whether messages of a websocket are looked into.
  var readsFrames = false
  /// Names of secrets that were put into such messages.
  private var frameSecrets: Set<String> = []

  var isEmpty: Bool { bindings.isEmpty }
  var secretNames: [String] {
    bindings.isEmpty && frameSecrets.isEmpty ? [] : frameSecrets.union(bindings.map(\.secretName)).sorted()
  }
  /// What has to be fetched before the plan is complete.
  var missing: [PlaceholderBinding] { isEmpty ? [] : zip(bindings, secrets).filter { $1 == nil }.map { $0.0 } }

  /// The place of a binding in the plan.
  mutating func index(of binding: PlaceholderBinding) -> Int {
    if let index = bindings.firstIndex(of: binding) { return index }
    bindings.append(binding)
    secrets.append(nil)
    return bindings.count - 1
  }

  mutating func add(_ use: Use) { uses.append(use) }

  mutating func noteFrames(_ names: Set<String>) { frameSecrets.formUnion(names) }

  /// Takes the values that are in memory.
  /// - Returns: false when a value cannot stand in its place.
  mutating func take(from source: any SecretValueSource) -> Bool {
    for (index, binding) in bindings.enumerated() {
      secrets[index] = source.cachedValue(of: binding.ref, revision: binding.revision)
    }
    return complete()
  }

  /// Takes the values of ``missing``, in that order.
  /// - Returns: false when a value cannot stand in its place.
  mutating func supply(_ fetched: [Redacted<String>]) -> Bool {
    var rest = fetched[...]
    for index in secrets.indices where secrets[index] == nil { secrets[index] = rest.popFirst() }
    return complete()
  }

  /// Has the values of the request recognised from now on.
  func learn(into book: FingerprintBook) {
    for (binding, secret) in zip(bindings, secrets) { if let secret { book.learn(binding, secret) } }
  }

  private mutating func complete() -> Bool {
    let known = secrets.compactMap { $0 }
    guard known.count == secrets.count else { return true }
    guard known.allSatisfy({ $0.reveal().utf8.allSatisfy(Self.isHeaderSafe) && !$0.reveal().isEmpty }) else { return false }
    for use in uses {
      var value: [UInt8] = []
      var copied = 0
      for place in use.places {
        value += use.text[copied..<place.range.lowerBound]
        let secret = known[place.binding].reveal().utf8
        // In the user name a colon would move the border to the password.
        let isUser = use.isBasic && !use.text[..<place.range.lowerBound].contains(UInt8(ascii: ":"))
        if isUser, secret.contains(UInt8(ascii: ":")) { return false }
        value += secret
        copied = place.range.upperBound
      }
      value += use.text[copied...]
      values[use.field] = use.isBasic ? Array("Basic ".utf8) + Base64.encode(value) : value
    }
    guard let message else { return true }
    guard message.fill(known, fields: values) else { return false }
    if let (field, value) = message.authorization { values[field] = value }
    return true
  }

  /// A line break or NUL in a value would be a way to write further headers.
  private static func isHeaderSafe(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7f || byte == 0x09 }
}
