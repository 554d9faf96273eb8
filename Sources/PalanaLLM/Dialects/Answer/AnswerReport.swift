package import PalanaAPI

/// What an answer of a model says of itself.
package struct AnswerReport: Hashable, Sendable {
  /// What the provider says it used; nil when it does not say, or says what cannot be.
  package var usage: TokenUsage?
  /// Whether ``usage`` is of the whole answer. A stream of Anthropic says its input at the start, and its output at the end.
  package var isUsageFinal = false
  /// What the model wrote: texts, refusals, thoughts that are shown and arguments of tools, in bytes as they stand in the JSON.
  package var output = TextSize()
  /// Why it ended, in the dialect's word; nil when it did not say.
  package var finishReason: String?
  /// The tools that it calls, in order, the first 128.
  package var toolCalls: [String] = []
  /// Whether it is, or ends in, an error.
  package var isError = false

  /// What to settle: what the provider said, with an estimate in place of what it did not say.
  ///
  /// - Returns: and whether any of it is an estimate.
  package func settled(_ call: ModelCall) -> (usage: TokenUsage, isEstimated: Bool) {
    if let usage, isUsageFinal { return (usage, false) }
    var estimated = usage ?? TokenUsage(input: TokenEstimate.input(of: call))
    estimated.output = max(estimated.output, TokenEstimate.tokens(in: output))
    return (estimated, true)
  }
}
