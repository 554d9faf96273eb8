/// What a request asks of a model, as far as it matters for who may call it, what it may cost and how its answer comes.
package struct ModelCall: Hashable, Sendable {
  package var dialect: Dialect
  /// As the agent names it: a model, or an alias of one.
  package var model: String
  /// Whether the answer comes as events.
  package var isStreaming = false
  /// Whether the agent expects the stream to say the usage. Always, where the dialect does not ask.
  package var wantsUsage = true
  /// How many tokens each choice may have at most; nil when the request does not bound it.
  package var maxOutput: Int?
  /// How many answers to the same prompt.
  package var choices = 1
  /// Texts that the model reads, in bytes of the body, escapes as they stand there: messages, system prompts, tools and every other member
  /// but those that only address the provider. Images and files in base64 do not count.
  package var prompt = TextSize()
  /// Images, given in place or by address.
  package var images = 0
  /// Other files that are given in place (documents, sounds), in bytes of base64.
  package var fileBytes = 0
  /// Tokens that are given as numbers, as embeddings may be.
  package var promptTokens = 0
  /// Whether there are tools.
  package var hasTools = false
  /// Whether the model reads what the provider has stored too (`previous_response_id`, `conversation`, a stored `prompt`): how much nobody
  /// but the provider knows.
  package var readsStored = false
  /// Whether the answer is only fetched later (`background`): this call's answer does not say the usage then.
  package var isInBackground = false

  /// Bytes of the prompt's texts.
  package var promptBytes: Int { prompt.bytes }
}
