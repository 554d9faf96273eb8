package import NIOCore

/// The stream of one dialect as that of the other, event by event.
package struct StreamTranslation: Sendable {
  private enum Way: Sendable {
    case toChat(MessagesStreamTranslation)
    case toMessages(ChatStreamTranslation)
  }

  private var way: Way

  /// - Parameters:
  ///   - dialect: of the upstream, openai-chat or anthropic-messages; the agent speaks the other one.
  ///   - wantsUsage: whether an agent that speaks openai-chat asked for the usage.
  package init(from dialect: Dialect, _ options: Translation, wantsUsage: Bool) {
    way =
      dialect == .anthropicMessages
      ? .toChat(MessagesStreamTranslation(options: options, wantsUsage: wantsUsage)) : .toMessages(ChatStreamTranslation())
  }

  /// What the agent gets for an event of the upstream; empty when that says nothing to it.
  package mutating func take(_ event: StreamEvent) -> ByteBuffer {
    switch way {
    case .toChat(var translation):
      defer { way = .toChat(translation) }
      return translation.take(event)
    case .toMessages(var translation):
      defer { way = .toMessages(translation) }
      return translation.take(event)
    }
  }

  /// What the agent gets when the upstream has ended: the rest, or an error when the answer is not whole.
  package mutating func finish() -> ByteBuffer {
    switch way {
    case .toChat(var translation):
      defer { way = .toChat(translation) }
      return translation.finish()
    case .toMessages(var translation):
      defer { way = .toMessages(translation) }
      return translation.finish()
    }
  }
}

extension ErrorBody {
  static let brokenOff = ErrorBody(status: 502, reason: "upstream_broke_off", message: "the provider's answer ended before it was whole")
  static let unreadableEvent = ErrorBody(DialectError.malformedAnswer("an event is no JSON object"))
}
