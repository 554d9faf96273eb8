import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// The shapes of what is told of language models.
enum LLMSchemas {
  static let all: [String: JSONValue] = [
    "LLMUsageReport": Schema.object(
      required: ["by": Schema.choice(LLMUsageQuery.Grouping.self), "items": Schema.list(of: Schema.reference("LLMUsageItem"))]),
    "LLMUsageItem": Schema.object(
      "What one agent, owner, model, … used.",
      required: [
        "key": Schema.text, "calls": Schema.integer, "errors": Schema.integer, "interrupted": Schema.integer, "refused": Schema.integer,
        "tokens": Schema.reference("TokenUsage"), "cost": dollars, "isPriceKnown": Schema.boolean,
      ],
      optional: [
        "agentID": Schema.text, "owner": Schema.text, "latencyMs": Schema.reference("LLMTimes"),
        "timeToFirstTokenMs": Schema.reference("LLMTimes"),
      ]),
    "TokenUsage": Schema.object(
      "Cached and written tokens are part of the input, reasoning is part of the output.",
      required: [
        "input": Schema.integer, "cachedInput": Schema.integer, "cacheWrite": Schema.integer, "output": Schema.integer,
        "reasoning": Schema.integer,
      ]),
    "LLMTimes": Schema.object(
      "Milliseconds.", required: ["mean": Schema.number, "p50": Schema.number, "p95": Schema.number, "max": Schema.number]),
    "LLMCallList": Schema.items("LLMCallItem"),
    "LLMCallItem": Schema.object(
      "One call of a model that went out.",
      required: [
        "time": Schema.time, "agent": Schema.text, "agentID": Schema.text, "owner": Schema.text, "route": Schema.text,
        "model": Schema.text, "outcome": Schema.choice(LLMOutcome.self), "tokens": Schema.reference("TokenUsage"), "cost": dollars,
        "isPriceKnown": Schema.boolean,
      ],
      optional: ["investigation": Schema.text, "latencyMs": Schema.number, "timeToFirstTokenMs": Schema.number]),
    "LLMBudgetReport": Schema.items("LLMBudgetStanding"),
    "LLMBudgetStanding": Schema.object(
      "One limit of a budget and where it stands. Amounts are text: US dollars for cost, else whole numbers.",
      required: [
        "budget": Schema.text, "measure": Schema.choice(LLMBudgetMeasure.self), "limit": Schema.text, "used": Schema.text,
        "reserved": Schema.text, "usedPercent": Schema.number, "warnAt": Schema.integer,
      ],
      optional: [
        "scope": ResourceSchemas.llmBudgetScope, "group": Schema.text, "agent": Schema.text, "owner": Schema.text,
        "window": Schema.choice(LLMWindow.self), "resetsAt": Schema.time,
      ]),
    "LLMContentList": Schema.object(
      "Calls of which it is kept what was said.",
      required: ["items": Schema.list(of: Schema.reference("LLMContentItem")), "damaged": Schema.texts]),
    "LLMContentItem": Schema.object(
      "Who asked what, when and how much; nothing of what was said.",
      required: [
        "id": Schema.text, "time": Schema.time, "agent": Schema.text, "agentID": Schema.text, "owner": Schema.text, "route": Schema.text,
        "model": Schema.text, "upstream": Schema.text, "path": Schema.text, "requestBytes": Schema.integer, "answerBytes": Schema.integer,
        "isRequestTruncated": Schema.boolean, "isAnswerTruncated": Schema.boolean,
      ], optional: ["status": Schema.integer]),
    "LLMContent": Schema.object(
      "One call with what was said.",
      required: [
        "call": Schema.reference("LLMContentItem"), "request": Schema.reference("LLMContentBody"),
        "answer": Schema.reference("LLMContentBody"),
      ]),
    "LLMContentBody": Schema.object(
      "Text, or in Base64 what is none.", required: [:], optional: ["text": Schema.text, "base64": Schema.text]),
    "LLMCredentialRequest": Schema.object(required: ["value": Schema.text], optional: ["key": Schema.text]),
    "LLMCredentialList": Schema.items("LLMCredentialItem"),
    "LLMCredentialItem": Schema.object(
      "A credential that a route proves itself with.",
      required: [
        "route": Schema.text, "secret": Schema.text, "scope": Schema.choice(LLMCredentialItem.Scope.self), "keys": Schema.texts,
        "upstreams": Schema.texts, "state": Schema.choice(LLMCredentialItem.State.self),
      ]),
  ]

  private static let dollars: JSONValue = ["type": "string", "description": "US dollars, exact."]
}
