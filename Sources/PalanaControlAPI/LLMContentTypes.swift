package import PalanaCore

/// Which records of the content log are wanted.
package struct LLMContentQuery: Hashable, Sendable {
  /// Name or identifier.
  package var agent: String?
  package var model: String?
  package var since: Timestamp?
  package var limit: Int

  package init(agent: String? = nil, model: String? = nil, since: Timestamp? = nil, limit: Int = 50) {
    self.agent = agent
    self.model = model
    self.since = since
    self.limit = limit
  }
}

/// One call of which it is kept what was said: who, when and how much, and nothing of what.
package struct LLMContentItem: Codable, Hashable, Sendable {
  /// That of the request in the audit trail.
  package var id: String
  package var time: Timestamp
  package var agent: String
  package var agentID: String
  /// Raw identity.
  package var owner: String
  package var route: String
  package var model: String
  package var upstream: String
  /// Without its query.
  package var path: String
  /// Absent: the agent got no answer.
  package var status: Int?
  /// Bytes of the whole request, after redaction.
  package var requestBytes: Int64
  /// Bytes of the whole answer, as they went to the agent.
  package var answerBytes: Int64
  /// Whether only the beginning of the request is kept.
  package var isRequestTruncated: Bool
  /// Whether only the beginning of the answer is kept.
  package var isAnswerTruncated: Bool

  package init(
    id: String, time: Timestamp, agent: String, agentID: String, owner: String, route: String, model: String, upstream: String,
    path: String,
    status: Int?, requestBytes: Int64, answerBytes: Int64, isRequestTruncated: Bool, isAnswerTruncated: Bool
  ) {
    self.id = id
    self.time = time
    self.agent = agent
    self.agentID = agentID
    self.owner = owner
    self.route = route
    self.model = model
    self.upstream = upstream
    self.path = path
    self.status = status
    self.requestBytes = requestBytes
    self.answerBytes = answerBytes
    self.isRequestTruncated = isRequestTruncated
    self.isAnswerTruncated = isAnswerTruncated
  }
}

/// The newest records, oldest first.
package struct LLMContentList: Codable, Hashable, Sendable {
  package var items: [LLMContentItem]
  /// What could not be read, in words: damaged or forged.
  package var damaged: [String]

  package init(items: [LLMContentItem], damaged: [String]) {
    self.items = items
    self.damaged = damaged
  }
}

/// A record with what was said.
package struct LLMContent: Codable, Hashable, Sendable {
  package var call: LLMContentItem
  package var request: LLMContentBody
  package var answer: LLMContentBody

  package init(call: LLMContentItem, request: LLMContentBody, answer: LLMContentBody) {
    self.call = call
    self.request = request
    self.answer = answer
  }
}

/// What was said in one direction.
package struct LLMContentBody: Codable, Hashable, Sendable {
  /// Absent when it is no text.
  package var text: String?
  /// What is no text, in Base64.
  package var base64: String?

  /// - Parameter isTruncated: whether the end is missing: a character that was cut in two goes too.
  package init(_ bytes: [UInt8], isTruncated: Bool) {
    for missing in 0...(isTruncated ? min(3, bytes.count) : 0) where Self.isCut(bytes.suffix(missing)) {
      guard let text = String(validating: bytes.dropLast(missing), as: UTF8.self) else { continue }
      self.text = text
      return
    }
    base64 = String(decoding: Base64.encode(bytes), as: UTF8.self)
  }

  /// Whether these bytes are the beginning of a character, or none.
  private static func isCut(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let first = bytes.first else { return true }
    return (0xc2...0xf4).contains(first) && bytes.dropFirst().allSatisfy { (0x80...0xbf).contains($0) }
  }
}
