/// Tokens of text for which nobody says how many they are: to reserve money before a call, and to settle a call whose provider says no usage.
///
/// The rule: 7 letters and spaces of ASCII are 2 tokens, 6 digits and signs are 5, and 8 bytes of other characters are 5. Measured on prose
/// in many languages, code, JSON, tables and logs this is hardly below what the tokenizers of OpenAI and DeepSeek count (a few per cent for
/// shell scripts), some 40 % above it for English, and up to three times it where new tokenizers are best (Russian). Older tokenizers of
/// Anthropic need up to a quarter more for languages like Polish.
package enum TokenEstimate {
  /// Around a request: roles and separators, which cost tokens and are no text.
  package static let overhead: Int64 = 16
  /// Of an image: what a large one has where it is not scaled down.
  package static let image: Int64 = 2_500

  package static func tokens(in text: TextSize) -> Int64 {
    func share(_ bytes: Int, _ tokens: Int64, of unit: Int64) -> Int64 {
      // Bodies are bounded to some MiB; what no body can be ends at a size that cannot overflow.
      let bounded = Int64(min(max(0, bytes), 1 << 40))
      return (bounded * tokens + unit - 1) / unit
    }
    return share(text.letters, 2, of: 7) + share(text.signs, 5, of: 6) + share(text.other, 5, of: 8)
  }

  package static func tokens(in text: String) -> Int64 { tokens(in: TextSize(text)) }

  /// What a call sends. Of files each four bytes of base64 count as a token.
  package static func input(of call: ModelCall) -> Int64 {
    overhead + tokens(in: call.prompt) + Int64(call.promptTokens) + Int64(call.images) * image + Int64(call.fileBytes) / 4
  }
}
