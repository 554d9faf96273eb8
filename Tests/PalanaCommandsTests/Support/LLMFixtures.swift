extension Fixtures {
  private static func item(_ key: String, _ more: String, calls: Int, cost: String, known: Bool = true) -> String {
    """
    {"key":"\(key)"\(more),"calls":\(calls),"errors":1,"interrupted":0,"refused":2,"cost":"\(cost)","isPriceKnown":\(known),
     "tokens":{"input":120000,"cachedInput":80000,"cacheWrite":0,"output":4200,"reasoning":900},
     "latencyMs":{"mean":2310.4,"p50":1800,"p95":9100.2,"max":31000},"timeToFirstTokenMs":{"mean":390,"p50":310.5,"p95":900,"max":1200}}
    """
  }

  static let usage = """
    {"by":"agent","items":[
      \(item("demo", #","agentID":"demo-1f0a93c27b","owner":"alice@example.com""#, calls: 412, cost: "1.234567")),
      \(item("scout", #","agentID":"scout-0c12aa93b1","owner":"bob@example.com""#, calls: 3, cost: "0.02", known: false))]}
    """

  static let usageByDay = """
    {"by":"day","items":[{"key":"2026-11-20","calls":0,"errors":0,"interrupted":0,"refused":7,"cost":"0","isPriceKnown":true,
     "tokens":{"input":0,"cachedInput":0,"cacheWrite":0,"output":0,"reasoning":0}}]}
    """

  static let calls = """
    {"items":[
     {"time":"2026-11-21T00:58:01.250000Z","agent":"demo","agentID":"demo-1f0a93c27b","owner":"alice@example.com","route":"unified","model":"gpt-4.1","outcome":"ok",
      "tokens":{"input":812,"cachedInput":0,"cacheWrite":0,"output":96,"reasoning":0},"cost":"0.002392","isPriceKnown":true,"latencyMs":1834.2,"timeToFirstTokenMs":301},
     {"time":"2026-11-21T00:58:40.000000Z","agent":"demo","agentID":"demo-1f0a93c27b","owner":"alice@example.com","route":"unified","model":"evil\\u001b[2Jmodel",
      "outcome":"error","tokens":{"input":12,"cachedInput":0,"cacheWrite":0,"output":0,"reasoning":0},"cost":"0.00018","isPriceKnown":false,"latencyMs":75},
     {"time":"2026-11-21T00:59:10.000000Z","agent":"scout","agentID":"scout-0c12aa93b1","owner":"bob@example.com","route":"aws","model":"claude-sonnet-4","outcome":"interrupted",
      "tokens":{"input":500,"cachedInput":0,"cacheWrite":0,"output":4096,"reasoning":0},"cost":"0.0629","isPriceKnown":true}]}
    """

  static let content = """
    {"damaged":["content-00000000001700000000-0a.sealed: record 3 is not as it was written"],"items":[
     {"id":"9f3c0a5512de-4","time":"2026-11-21T00:58:01.250000Z","agent":"demo","agentID":"demo-1f0a93c27b","owner":"alice@example.com","route":"unified","model":"gpt-4.1",
      "upstream":"api.openai.com","path":"/unified/v1/chat/completions","status":200,"requestBytes":812,"answerBytes":2400000,"isRequestTruncated":false,"isAnswerTruncated":true},
     {"id":"9f3c0a5512de-5","time":"2026-11-21T00:58:40.000000Z","agent":"demo","agentID":"demo-1f0a93c27b","owner":"alice@example.com","route":"unified","model":"evil\\u001b[2Jmodel",
      "upstream":"api.openai.com","path":"/unified/v1/chat/completions","requestBytes":12,"answerBytes":0,"isRequestTruncated":false,"isAnswerTruncated":false}]}
    """

  static let contentOfACall = """
    {"call":{"id":"9f3c0a5512de-4","time":"2026-11-21T00:58:01.250000Z","agent":"demo","agentID":"demo-1f0a93c27b","owner":"alice@example.com","route":"unified","model":"gpt-4.1",
      "upstream":"api.openai.com","path":"/unified/v1/chat/completions","status":200,"requestBytes":812,"answerBytes":2400000,"isRequestTruncated":false,"isAnswerTruncated":true},
     "request":{"text":"{\\"model\\": \\"gpt-4.1\\",\\n \\"messages\\": [{\\"role\\": \\"user\\", \\"content\\": \\"\\u001b]0;owned\\u0007 \\u202e hello\\"}]}\\n"},
     "answer":{"base64":"/wA="}}
    """

  static let budgets = """
    {"items":[
     {"budget":"everyone","scope":{"each":"agent"},"group":"demo-1f0a93c27b","agent":"demo","owner":"alice@example.com","measure":"cost","window":"day",
      "limit":"5","used":"2.1","reserved":"0.3","usedPercent":42,"warnAt":80,"resetsAt":"2026-11-22T00:00:00.000000Z"},
     {"budget":"everyone","scope":{"each":"agent"},"group":"gone-0c12aa93b1","measure":"cost","window":"day",
      "limit":"5","used":"4.5","reserved":"0","usedPercent":90,"warnAt":80,"resetsAt":"2026-11-22T00:00:00.000000Z"},
     {"budget":"everyone","scope":{"each":"agent"},"measure":"concurrency","limit":"8","used":"0","reserved":"0","usedPercent":0,"warnAt":80},
     {"budget":"fleet","measure":"tokens","window":"month","limit":"2000000","used":"2400000","reserved":"0","usedPercent":120,"warnAt":60,"resetsAt":"2026-12-01T00:00:00.000000Z"},
     {"budget":"of-bob","scope":{"owner":"bob@example.com"},"measure":"requests","window":"minute","limit":"60","used":"3","reserved":"1","usedPercent":5,"warnAt":80,
      "resetsAt":"2026-11-21T01:00:42.000000Z"}]}
    """

  static let appliedBudget = """
    {"action":"created","resource":{"apiVersion":"palana.dev/v1alpha1","kind":"LLMBudget","metadata":{"name":"team","uid":"u9","resourceVersion":"3","generation":1},
     "spec":{"limits":[{"window":"day","cost":"5"}]}}}
    """

  static let credentials = """
    {"items":[
     {"route":"aws","secret":"ANTHROPIC","scope":"agent","keys":["value"],"upstreams":["api.anthropic.com"],"state":"per-agent"},
     {"route":"unified","secret":"OPENAI","scope":"route","keys":["value"],"upstreams":["a","b"],"state":"stored"},
     {"route":"unified","secret":"LOCAL","scope":"route","keys":["value"],"upstreams":["c"],"state":"missing"},
     {"route":"unified","secret":"OLD","scope":"route","keys":[],"upstreams":[],"state":"unused"}]}
    """
}
