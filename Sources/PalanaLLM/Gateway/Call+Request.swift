import NIOCore
import NIOHTTP1
import PalanaCore

/// What goes out for a call.
extension Call {
  /// Nil when the upstream speaks what the agent speaks.
  func translator(to upstream: LLMUpstream) -> AnswerTranslator? {
    guard case .call(let spoken)? = endpoint?.purpose, let other = upstream.style.spoken(for: spoken), other != spoken else { return nil }
    return AnswerTranslator(from: other, to: spoken, time: time)
  }

  /// The agent's bytes, but for what the gateway has to say otherwise, in the upstream's dialect.
  ///
  /// - Returns: nil for a request that has no body.
  /// - Throws: ``DialectError`` when it cannot be said in that dialect.
  func outgoing(_ route: LLMRoute) throws(DialectError) -> ByteBuffer? {
    guard body.readableBytes > 0 || head.method == .POST else { return nil }
    guard let scan else { return body }
    let name = route.models.name(of: scan.call.model)
    let edit = RequestEdit(
      model: name == scan.call.model ? nil : name,
      includesUsage: translator == nil && scan.call.isStreaming && !scan.call.wantsUsage,
      maxOutput: reservation == nil || scan.call.dialect == .openAIEmbeddings
        ? nil : min(scan.call.maxOutput ?? route.maxOutput, route.maxOutput))
    let edited = edit.applied(to: body, scan)
    return try translator?.request(edited) ?? edited
  }

  /// When no upstream of the route can be told this.
  func unspoken(_ route: LLMRoute) -> LLMRefusal {
    switch endpoint?.purpose {
    case .models:
      LLMRefusal(
        .notFound, .endpointUnknown, "the route /\(route.name) has no list of models in this dialect")
    default:
      LLMRefusal(
        .badRequest, .untranslatable,
        "no upstream of the route /\(route.name) speaks \(dialect.rawValue), which is not translated: use chat completions or messages")
    }
  }

  /// The tokens of a request by our own count, where no upstream counts.
  func countTokens() {
    guard let call = scan?.call else { return }
    give(whole: ["input_tokens": .number(JSONNumber(Int(clamping: TokenEstimate.input(of: call))))])
  }

  /// Answers without an upstream.
  func give(whole value: JSONValue) {
    let body = ByteBuffer(bytes: value.encoded(sortedKeys: true))
    let fields = HTTPHeaders([("content-type", "application/json"), ("content-length", "\(body.readableBytes)"), ("x-request-id", id)])
    answer = CallAnswer(status: 200, isStream: false, dialect: nil, limits: loop.shared.limits)
    connection.write(head: HTTPResponseHead(version: .http1_1, status: .ok, headers: fields))
    connection.write(body)
    sent += Int64(body.readableBytes)
    complete()
  }
}
