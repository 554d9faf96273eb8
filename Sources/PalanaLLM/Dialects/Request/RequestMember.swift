import PalanaCore

/// The top-level members of requests that decide what a call does, costs or says.
enum RequestMember: UInt32, CaseIterable {
  case model, stream, streamOptions, n
  case maxTokens, maxCompletionTokens, maxOutputTokens
  case messages, input, prompt, system, instructions, tools
  case previousResponse, conversation, background
  /// Of little meaning to a model: their texts are not counted as its input.
  case metadata, user, safetyIdentifier, promptCacheKey

  var name: StaticString {
    switch self {
    case .model: "model"
    case .stream: "stream"
    case .streamOptions: "stream_options"
    case .n: "n"
    case .maxTokens: "max_tokens"
    case .maxCompletionTokens: "max_completion_tokens"
    case .maxOutputTokens: "max_output_tokens"
    case .messages: "messages"
    case .input: "input"
    case .prompt: "prompt"
    case .system: "system"
    case .instructions: "instructions"
    case .tools: "tools"
    case .previousResponse: "previous_response_id"
    case .conversation: "conversation"
    case .background: "background"
    case .metadata: "metadata"
    case .user: "user"
    case .safetyIdentifier: "safety_identifier"
    case .promptCacheKey: "prompt_cache_key"
    }
  }

  /// Which member a name is.
  ///
  /// Programs read names differently: some unfold `"mod\u0065l"` and some take `Model`, and even `ſtream`, for the same. All of these count
  /// as the member here, and those that not all programs take for it are refused, so that nobody behind us reads another request.
  ///
  /// - Throws: ``DialectError`` for a spelling that only some take for the member.
  static func named(_ text: JSONTokenizer.Text, in bytes: borrowing Span<UInt8>) throws(DialectError) -> Self? {
    if text.isEscaped || text.otherBytes > 0 { return try unfolded(text, in: bytes) }
    var number: UInt32 = 0
    // Without a list of all cases, which would be made anew each time.
    while let member = Self(rawValue: number) {
      number += 1
      guard bytes.equalsIgnoringCase(member.name, at: text.range) else { continue }
      guard bytes.equals(member.name, at: text.range) else { throw ambiguous(bytes.string(text.range), member) }
      return member
    }
    return nil
  }

  private static func unfolded(_ text: JSONTokenizer.Text, in bytes: borrowing Span<UInt8>) throws(DialectError) -> Self? {
    let name = try bytes.unfolded(text)
    let folded = String(name.lowercased().map { $0 == "ſ" ? "s" : $0 == "\u{212a}" ? "k" : $0 })
    guard let member = allCases.first(where: { $0.name.description == folded }) else { return nil }
    guard name == folded else { throw ambiguous(name, member) }
    return member
  }

  private static func ambiguous(_ name: String, _ member: Self) -> DialectError {
    DialectError(.ambiguousMember, "write ‘\(member.name)’ instead of ‘\(name)’", member: member.name.description)
  }
}

extension Span<UInt8> {
  /// Whether these bytes are `text`, which has small letters, in any case.
  func equalsIgnoringCase(_ text: StaticString, at range: Range<Int>) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for place in 0..<range.count {
      // Within the constant, whose length was compared.
      guard unsafe self[range.lowerBound + place] | 0x20 == text.utf8Start[place] | 0x20 else { return false }
    }
    return true
  }

  /// What a text means.
  ///
  /// - Throws: ``DialectError`` for half of a surrogate pair.
  func unfolded(_ text: JSONTokenizer.Text) throws(DialectError) -> String {
    guard text.isEscaped else { return string(text.range) }
    // They are only read, for the time of the call.
    let quoted = unsafe extracting(text.value).withUnsafeBufferPointer { unsafe Array($0) }
    guard case .string(let meaning)? = try? JSONValue(parsing: quoted) else {
      throw DialectError(.malformedJSON, "the text at byte \(text.range.lowerBound) holds half of a surrogate pair")
    }
    return meaning
  }
}
