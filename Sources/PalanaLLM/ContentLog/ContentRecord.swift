import NIOCore
package import PalanaCore

/// What an agent asked a model, and what it was answered.
package struct ContentRecord: Sendable {
  /// What lists tell of it: nothing of what was said.
  package struct Card: Codable, Hashable, Sendable {
    /// That of the request in the audit trail.
    package var id: String
    /// When the request came.
    package var time: Timestamp
    package var agentID: String
    package var agent: String
    /// Raw identity.
    package var owner: String
    package var route: String
    /// As the upstream was asked for it.
    package var model: String
    package var upstream: String
    /// Without its query.
    package var path: String
    /// Nil: the agent got no answer.
    package var status: Int?
    /// Bytes of the request after redaction, all of them.
    package var requestBytes: Int64
    /// Bytes that went to the agent, all of them.
    package var answerBytes: Int64
    /// Whether only the beginning is kept.
    package var isRequestTruncated = false
    /// Whether only the beginning is kept.
    package var isAnswerTruncated = false
  }

  package var card: Card
  /// As the agent sent it, after redaction.
  var request: ByteBuffer
  /// As the agent got it.
  var answer: ByteBuffer
}

extension ContentRecord {
  /// The bytes of the request.
  package var requestBody: [UInt8] { Array(request.readableBytesView) }
  /// The bytes of the answer.
  package var answerBody: [UInt8] { Array(answer.readableBytesView) }
}

/// Which records are wanted.
package struct ContentQuery: Hashable, Sendable {
  /// Name or identifier.
  package var agent: String?
  package var model: String?
  package var since: Timestamp?
  /// The newest so many.
  package var limit: Int

  package init(agent: String? = nil, model: String? = nil, since: Timestamp? = nil, limit: Int = 50) {
    self.agent = agent
    self.model = model
    self.since = since
    self.limit = limit
  }

  func wants(_ card: ContentRecord.Card) -> Bool {
    (agent.map { $0 == card.agent || $0 == card.agentID } ?? true) && (model.map { $0 == card.model } ?? true)
      && (since.map { card.time >= $0 } ?? true)
  }
}

/// Bounds of the content log.
package struct ContentSettings: Hashable, Sendable {
  /// How long a record is kept.
  package var retention = Duration.seconds(7 * 86_400)
  /// What all records together may take on the disk; the oldest go first.
  package var maxBytes = 1 << 30
  /// What is kept of a request, and what of an answer.
  package var maxRecordBytes = 1 << 20
  /// What calls under way and records that are not written yet may take in memory.
  package var memoryBytes = 32 << 20

  package init() {}

  /// A file is finished and a new one begun after so many bytes.
  var segmentBytes: Int { min(16 << 20, maxBytes / 8) }
  /// And after so long, so that what is too old can go.
  var segmentAge: Duration { min(.seconds(3_600), retention / 8) }
}
