/// Tokens of one call of a model, or of many.
package struct TokenUsage: Codable, Hashable, Sendable {
  /// Of everything that was sent, those from a cache and those written to one included.
  package var input: Int64
  /// The part of ``input`` that the provider read from its cache.
  package var cachedInput: Int64
  /// The part of ``input`` that the provider wrote to its cache.
  package var cacheWrite: Int64
  /// Of everything that was answered, reasoning included.
  package var output: Int64
  /// The part of ``output`` that the model thought and did not say.
  package var reasoning: Int64

  package init(input: Int64 = 0, cachedInput: Int64 = 0, cacheWrite: Int64 = 0, output: Int64 = 0, reasoning: Int64 = 0) {
    self.input = input
    self.cachedInput = cachedInput
    self.cacheWrite = cacheWrite
    self.output = output
    self.reasoning = reasoning
  }

  /// Input and output together.
  package var total: Int64 { input &+ output }

  package static func + (left: Self, right: Self) -> Self {
    Self(
      input: left.input &+ right.input, cachedInput: left.cachedInput &+ right.cachedInput,
      cacheWrite: left.cacheWrite &+ right.cacheWrite, output: left.output &+ right.output,
      reasoning: left.reasoning &+ right.reasoning)
  }
}
