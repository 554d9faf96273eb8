/// What is spoken on a route: which requests there are, how they stream, and where they say what they used.
package enum Dialect: String, Codable, Sendable, CaseIterable {
  /// `POST …/chat/completions` of OpenAI.
  case openAIChat = "openai-chat"
  /// `POST …/responses` of OpenAI.
  case openAIResponses = "openai-responses"
  /// `POST …/embeddings` of OpenAI.
  case openAIEmbeddings = "openai-embeddings"
  /// `POST …/messages` of Anthropic.
  case anthropicMessages = "anthropic-messages"
}
