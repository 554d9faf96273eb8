package import NIOCore
import PalanaCore

/// Changes of a request's body in place: what is not meant stays, byte for byte.
package struct RequestEdit: Hashable, Sendable {
  /// Another model than the one the agent named.
  package var model: String?
  /// Asks a stream of ``Dialect/openAIChat`` to say its usage; does nothing for the others, which say it unasked.
  package var includesUsage = false
  /// How many tokens each choice may have at most: lowers what the request says, and says it where the request does not.
  package var maxOutput: Int?
  /// What the bound of ``maxOutput`` is called where a request of ``Dialect/openAIChat`` has none: `max_completion_tokens`, or `max_tokens`
  /// for upstreams that know only that.
  package var chatLimit: StaticMember = .maxCompletionTokens

  package enum StaticMember: String, Sendable, Codable {
    case maxCompletionTokens = "max_completion_tokens"
    case maxTokens = "max_tokens"
  }

  package init(model: String? = nil, includesUsage: Bool = false, maxOutput: Int? = nil) {
    self.model = model
    self.includesUsage = includesUsage
    self.maxOutput = maxOutput
  }

  /// - Parameters:
  ///   - body: what `scan` was made of.
  /// - Returns: the same bytes when nothing is to be changed.
  package func applied(to body: ByteBuffer, _ scan: RequestScan) -> ByteBuffer {
    var splices = splices(scan)
    guard !splices.isEmpty else { return body }
    splices.sort { $0.range.lowerBound < $1.range.lowerBound }
    var edited = ByteBufferAllocator().buffer(capacity: body.readableBytes + splices.reduce(0) { $0 + $1.bytes.count })
    var place = 0
    func copy(to end: Int) {
      guard end > place, let slice = body.getSlice(at: body.readerIndex + place, length: end - place) else { return }
      edited.writeImmutableBuffer(slice)
    }
    for splice in splices {
      copy(to: splice.range.lowerBound)
      edited.writeBytes(splice.bytes)
      place = splice.range.upperBound
    }
    copy(to: body.readableBytes)
    return edited
  }

  private struct Splice {
    var range: Range<Int>
    var bytes: [UInt8]

    init(_ range: Range<Int>, _ text: String) {
      self.range = range
      bytes = Array(text.utf8)
    }
  }

  private func splices(_ scan: RequestScan) -> [Splice] {
    var splices: [Splice] = []
    // A request has a model, so that something follows what is put in front.
    var added = ""
    if let model, model != scan.call.model {
      var quoted: [UInt8] = []
      JSONText.append(model, to: &quoted)
      splices.append(Splice(scan.model, String(decoding: quoted, as: UTF8.self)))
    }
    if includesUsage, scan.call.dialect == .openAIChat, scan.call.isStreaming, !scan.call.wantsUsage {
      switch scan.streamOptions {
      case nil: added += #""stream_options":{"include_usage":true},"#
      case let options? where options.isNull: splices.append(Splice(options.range, #"{"include_usage":true}"#))
      case let options?:
        if let value = options.includeUsage {
          splices.append(Splice(value, "true"))
        } else {
          let inside = options.range.lowerBound + 1
          splices.append(Splice(inside..<inside, #""include_usage":true"# + (options.isEmpty ? "" : ",")))
        }
      }
    }
    if let maxOutput {
      for limit in scan.limits where limit.tokens.map({ $0 > maxOutput }) ?? true { splices.append(Splice(limit.range, String(maxOutput))) }
      if scan.limits.isEmpty, let name = limitName(scan.call.dialect) { added += "\"\(name)\":\(maxOutput)," }
    }
    if !added.isEmpty { splices.append(Splice(scan.start..<scan.start, added)) }
    return splices
  }

  private func limitName(_ dialect: Dialect) -> String? {
    switch dialect {
    case .openAIChat: chatLimit.rawValue
    case .openAIResponses: "max_output_tokens"
    case .anthropicMessages: "max_tokens"
    case .openAIEmbeddings: nil
    }
  }
}
