import NIOCore
import NIOHTTP1
import PalanaCore
import PalanaSecrets

extension Call {
  /// Takes out of the prompt what must not be in one.
  func redact() -> LLMRefusal? {
    guard let scan, !loop.shared.redactor.isEmpty else { return nil }
    do throws(RedactionPattern.TooLong) {
      guard let redacted = try loop.shared.redactor.redact(body, model: scan.model) else { return nil }
      body = redacted.body
      redactions = redacted.counts
    } catch {
      return LLMRefusal(
        .forbidden, .redactionFailed, "what must not be in a prompt could not be looked for in this one in time (pattern ‘\(error.name)’)")
    }
    do throws(DialectError) { self.scan = try RequestScan(body, dialect: scan.call.dialect, findsTurns: countsReasoning) } catch {
      return LLMRefusal(error)
    }
    return nil
  }

  /// Refuses what the route does not take in one request. Counts of tokens cost nothing and are not bounded.
  func tooMuchInput(_ route: LLMRoute, _ call: ModelCall) -> LLMRefusal? {
    guard let most = route.maxInput, case .call? = endpoint?.purpose else { return nil }
    let input = TokenEstimate.input(of: call)
    guard input > Int64(most) else { return nil }
    return LLMRefusal(
      .payloadTooLarge, .requestTooLarge,
      "the request has about \(input) tokens, and the route /\(route.name) takes \(most) of them")
  }

  /// The path without its query, for the audit trail, where a value that an agent wrote into it must not stand.
  var shownPath: String {
    let path = head.uri.prefix { $0 != "?" }
    do throws(SecretLeak) { try loop.leakGuard.check(encoded: Array(path.utf8), of: agent.id) } catch { return "[withheld]" }
    return String(path.prefix(256))
  }

  /// Refuses a request that holds the real value of a secret: a model's provider would have it then.
  ///
  /// - Returns: nil when there is none in what goes out.
  func leak() -> LLMRefusal? {
    let guardian = loop.leakGuard
    guard !guardian.isEmpty else { return nil }
    do throws(SecretLeak) {
      let bytes = body
      try guardian.check(json: bytes.readableBytesUInt8Span, of: agent.id)
      var text = Array(head.uri.utf8)
      for (_, value) in FieldPolicy.outgoing(head.headers, to: .passThrough) { text += CollectionOfOne(0) + Array(value.utf8) }
      try guardian.check(encoded: text, of: agent.id)
      return nil
    } catch {
      var refusal = LLMRefusal(.forbidden, .secretLeak, "the request holds the value of a secret: what it says must not go to a model")
      refusal.details = ["secret": error.name, "secretAgent": error.path.agent.text, "secretOwner": error.path.owner.raw]
      return refusal
    }
  }
}
