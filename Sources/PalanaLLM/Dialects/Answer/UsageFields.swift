import PalanaAPI

/// The numbers of a `usage` object, as its dialect counts them.
struct UsageFields: Hashable, Sendable {
  enum Field: Int, CaseIterable {
    case promptTokens, completionTokens, totalTokens
    case inputTokens, outputTokens
    case cached, cacheWrite, reasoning
    case cacheRead, cacheCreation
  }

  /// No call has more; a larger number is a mistake or a lie.
  static let most: Int64 = 1_000_000_000_000

  private var values = InlineArray<10, Int64>(repeating: -1)
  /// Whether a number is none that can be.
  var isBroken = false
  private(set) var isEmpty = true

  static func == (left: Self, right: Self) -> Bool {
    left.isBroken == right.isBroken && Field.allCases.allSatisfy { left[$0] == right[$0] }
  }

  func hash(into hasher: inout Hasher) { for field in Field.allCases { hasher.combine(self[field]) } }

  subscript(field: Field) -> Int64? {
    get { values[field.rawValue] < 0 ? nil : values[field.rawValue] }
    set {
      values[field.rawValue] = newValue ?? -1
      isEmpty = false
    }
  }

  /// Takes over what `other`, which came later, says.
  mutating func merge(_ other: Self) {
    isBroken = isBroken || other.isBroken
    for field in Field.allCases { if let value = other[field] { self[field] = value } }
  }

  /// The same in our terms; nil when nothing, or nothing sensible, is said.
  func usage(_ dialect: Dialect) -> TokenUsage? {
    guard !isBroken else { return nil }
    return dialect == .anthropicMessages ? anthropic : openAI
  }

  /// Anthropic's input does not contain what was read from and written to the cache.
  private var anthropic: TokenUsage? {
    guard let input = self[.inputTokens] else { return nil }
    let read = self[.cacheRead] ?? 0
    let written = self[.cacheCreation] ?? 0
    let output = self[.outputTokens] ?? 0
    return TokenUsage(
      input: input + read + written, cachedInput: read, cacheWrite: written, output: output, reasoning: min(self[.reasoning] ?? 0, output))
  }

  private var openAI: TokenUsage? {
    guard var input = self[.promptTokens] ?? self[.inputTokens] else { return nil }
    var output = self[.completionTokens] ?? self[.outputTokens] ?? 0
    let cached = self[.cached] ?? 0
    let written = self[.cacheWrite] ?? 0
    let reasoning = self[.reasoning] ?? 0
    // Input and output contain these parts. Some providers count them beside; then the parts do not fit into the whole, or the total
    // tells.
    if cached + written > input { input += cached + written }
    if reasoning > output || reasoning > 0 && self[.totalTokens] == input + output + reasoning { output += reasoning }
    return TokenUsage(input: input, cachedInput: cached, cacheWrite: written, output: output, reasoning: reasoning)
  }
}
