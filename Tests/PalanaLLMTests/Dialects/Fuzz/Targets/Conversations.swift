import Fuzzing
import NIOCore
import PalanaCore

@testable import PalanaLLM

extension FuzzTarget {
  static let conversationSeeds = [
    #"{"model":"m","messages":[{"role":"system","content":"x"},{"role":"user","content":"find the bug in run 17"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"ls","arguments":"{\"path\":\"/a\"}"}},{"id":"c2","function":{"arguments":"{\"path\":\"/a\"}","name":"ls"}}]},{"role":"tool","tool_call_id":"c1","content":"a b c"}]}"#,
    #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"go on"}]},{"content":[{"type":"tool_use","id":"t","name":"ls","input":{"p":[1,{"name":"x","input":2}]}}],"role":"assistant"},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"2026-11-27 caf\u00e9 \u4f60\u597d 你好 deadbeefcafe"}]}]}"#,
    #"{"model":"m","input":[{"role":"user","content":"x"},{"type":"reasoning","summary":[]},{"type":"function_call","call_id":"c","name":"ls","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"ok"}]}"#,
    #"{"model":"m","input":"say it\n again \\u12 \ud83d","messages":[{},[],1,"x",{"a":{"b":{}}}]}"#,
  ]

  /// Turns stand where the strict parser sees them, whatever else a request says; what is read of them is the same each time, near to
  /// itself and within its bounds.
  static let llmConversation = FuzzTarget(name: "llm-conversation", count: 4_000, texts: conversationSeeds) { bytes in
    for dialect in Dialect.allCases {
      let body = ByteBuffer(bytes: bytes)
      guard var scan = try? RequestScan(body, dialect: dialect, findsTurns: true) else { continue }
      let reading = ConversationReading(scan, body)
      if reading != ConversationReading(scan, body) { return "\(dialect): another reading" }
      if let print = reading.print, !print.isNear(print) { return "\(dialect): not near to itself" }
      if !(0..<ToolCycle.mostCalls).contains(reading.toolLoops) { return "\(dialect): \(reading.toolLoops) loops" }
      if let value = try? JSONValue(parsing: bytes) {
        let list = (dialect == .openAIChat || dialect == .anthropicMessages ? value["messages"] : value["input"])?.array ?? []
        let objects = list.filter { $0.object != nil }
        let found = scan.turns.compactMap { try? JSONValue(parsing: bytes[$0]) }
        guard found.count == scan.turns.count, found == Array(objects.suffix(RequestScan.mostTurns)) else {
          return "\(dialect): other turns"
        }
      }
      (scan.turns, scan.turnText) = ([], nil)
      if let plain = try? RequestScan(body, dialect: dialect), plain != scan { return "\(dialect): another scan" }
    }
    return nil
  }
}
