import NIOCore
import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaLLM

/// Conversations as agents send them, in each dialect.
struct Conversation: Sendable {
  enum Turn: Sendable {
    case system(String)
    case person(String)
    case model(String)
    /// The model calls a tool with one argument, and it answers.
    case tool(String, String, String)
    /// Several calls in one turn, without answers.
    case calls([(String, String)])
  }

  var turns: [Turn] = []

  static func of(_ turns: Turn...) -> Conversation { Conversation(turns: turns) }
  static func of(_ turns: [Turn]) -> Conversation { Conversation(turns: turns) }

  func body(_ dialect: Dialect) -> ByteBuffer {
    let list = JSONValue.array(turns.flatMap { items($0, dialect) })
    var object: JSONObject = ["model": "m"]
    object[dialect == .openAIResponses ? "input" : "messages"] = list
    if dialect == .anthropicMessages { object["max_tokens"] = 9 }
    return ByteBuffer(string: JSONValue.object(object).text)
  }

  func reading(_ dialect: Dialect) throws -> ConversationReading {
    let body = body(dialect)
    return ConversationReading(try RequestScan(body, dialect: dialect, findsTurns: true), body)
  }

  private func arguments(_ argument: String) -> JSONValue { ["argument": .string(argument)] }

  private func items(_ turn: Turn, _ dialect: Dialect) -> [JSONValue] {
    switch turn {
    case .system(let text): [["role": dialect == .anthropicMessages ? "user" : "system", "content": .string(text)]]
    case .person(let text): [["role": "user", "content": .string(text)]]
    case .model(let text): [["role": "assistant", "content": .string(text)]]
    case .calls(let calls): calls.isEmpty ? [] : self.calls(calls, dialect)
    case .tool(let name, let argument, let answer): calls([(name, argument)], dialect) + [result(answer, dialect)]
    }
  }

  private func calls(_ calls: [(String, String)], _ dialect: Dialect) -> [JSONValue] {
    // Identifiers are others each time.
    let id = JSONValue.string("call_" + RandomToken.hex(bytes: 6))
    switch dialect {
    case .anthropicMessages:
      return [
        [
          "role": "assistant",
          "content": .array(
            calls.map { ["type": "tool_use", "id": id, "name": .string($0.0), "input": arguments($0.1)] }),
        ]
      ]
    case .openAIResponses:
      return calls.map {
        ["type": "function_call", "call_id": id, "name": .string($0.0), "arguments": .string(arguments($0.1).text)]
      }
    case .openAIChat, .openAIEmbeddings:
      return [
        [
          "role": "assistant", "content": .null,
          "tool_calls": .array(
            calls.map {
              [
                "id": id, "type": "function",
                "function": ["name": .string($0.0), "arguments": .string(arguments($0.1).text)],
              ]
            }),
        ]
      ]
    }
  }

  private func result(_ answer: String, _ dialect: Dialect) -> JSONValue {
    let id = JSONValue.string("call_" + RandomToken.hex(bytes: 6))
    return switch dialect {
    case .anthropicMessages:
      ["role": "user", "content": [["type": "tool_result", "tool_use_id": id, "content": .string(answer)]]]
    case .openAIResponses: ["type": "function_call_output", "call_id": id, "output": .string(answer)]
    case .openAIChat, .openAIEmbeddings: ["role": "tool", "tool_call_id": id, "content": .string(answer)]
    }
  }
}

let talking: [Dialect] = [.openAIChat, .openAIResponses, .anthropicMessages]

extension JSONValue {
  fileprivate var text: String { String(decoding: encoded(), as: UTF8.self) }
}
