package import NIOCore
import PalanaCore

/// An error of ours in the shape that the libraries of a dialect understand, with our word for the reason.
package struct ErrorBody: Hashable, Sendable {
  /// The status of the answer.
  package var status: Int
  /// Our word: `budget_exceeded`, `model_not_allowed`, ….
  package var reason: String
  package var message: String
  /// The member of the request that is to blame.
  package var member: String?

  package init(status: Int, reason: String, message: String, member: String? = nil) {
    self.status = status
    self.reason = reason
    self.message = message
    self.member = member
  }

  /// What was wrong with a request, or (as 502) with an answer.
  package init(_ error: DialectError) {
    self.init(
      status: error.reason == .malformedAnswer ? 502 : 400, reason: error.reason.rawValue, message: error.message, member: error.member)
  }

  /// What a provider's own error says; its message only when there is none to read.
  package init(status: Int, answer: ByteBuffer) {
    let value = try? JSONValue(parsing: answer.readableBytesView)
    let error = value?["error"]
    let message = error?["message"]?.string ?? error?.string ?? value?["message"]?.string
    let code = error?["code"]?.string ?? error?["type"]?.string
    self.init(
      status: status, reason: code ?? "upstream_error", message: message ?? "the provider answered with status \(status)",
      member: error?["param"]?.string)
  }

  /// The body, as JSON.
  package func bytes(_ dialect: Dialect) -> ByteBuffer { ByteBuffer(bytes: value(dialect).encoded()) }

  /// The event with which a stream ends that went wrong. It is the last one: no `[DONE]` follows.
  package func event(_ dialect: Dialect) -> ByteBuffer {
    var buffer = ByteBuffer()
    switch dialect {
    case .openAIChat, .openAIEmbeddings: break
    case .openAIResponses, .anthropicMessages: buffer.writeString("event: error\n")
    }
    buffer.writeString("data: ")
    if case .openAIResponses = dialect {
      let value: JSONValue = [
        "type": "error", "code": .string(reason), "message": .string(message), "param": member.map { .string($0) } ?? .null,
      ]
      buffer.writeBytes(value.encoded())
    } else {
      buffer.writeBytes(value(dialect).encoded())
    }
    buffer.writeString("\n\n")
    return buffer
  }

  private func value(_ dialect: Dialect) -> JSONValue {
    switch dialect {
    case .anthropicMessages:
      ["type": "error", "error": ["type": .string(messagesType), "message": .string(message), "reason": .string(reason)]]
    case .openAIChat, .openAIResponses, .openAIEmbeddings:
      [
        "error": [
          "message": .string(message), "type": .string(chatType), "param": member.map { .string($0) } ?? .null, "code": .string(reason),
        ]
      ]
    }
  }

  private var messagesType: String {
    switch status {
    case 401: "authentication_error"
    case 402: "billing_error"
    case 403: "permission_error"
    case 404: "not_found_error"
    case 413: "request_too_large"
    case 429: "rate_limit_error"
    case 504: "timeout_error"
    case 529, 503: "overloaded_error"
    case 500...: "api_error"
    default: "invalid_request_error"
    }
  }

  private var chatType: String {
    switch status {
    case 401: "authentication_error"
    case 402: "insufficient_quota"
    case 403: "permission_error"
    case 429: "rate_limit_error"
    case 500...: "server_error"
    default: "invalid_request_error"
    }
  }
}
