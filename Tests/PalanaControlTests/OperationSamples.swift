import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore
import PalanaStore

/// One successful call of every operation, in an order in which each finds what it needs.
enum OperationSamples {
  struct Step: Sendable {
    var operation: PalanaControlAPI.Operation
    var parameters: [String: String] = [:]
    var query: [(name: String, value: String)] = []
    var body: String?
    var bytes: [UInt8]?
    var headers: [(String, String)] = []
    var prepare: (@Sendable (ControlWorld) async throws -> Void)?

    init(
      _ operation: PalanaControlAPI.Operation, _ parameters: [String: String] = [:],
      query: [(name: String, value: String)] = [], body: String? = nil, bytes: [UInt8]? = nil,
      headers: [(String, String)] = [],
      prepare: (@Sendable (ControlWorld) async throws -> Void)? = nil
    ) {
      self.operation = operation
      self.parameters = parameters
      self.query = query
      self.body = body
      self.bytes = bytes
      self.headers = headers
      self.prepare = prepare
    }
  }

  private static let demo = ["name": "demo"]
  private static let secret = ["name": "demo", "secret": "GITHUB_PAT"]

  private static func manifest(_ kind: String, _ name: String, _ spec: String) -> String {
    #"{"apiVersion":"palana.dev/v1alpha1","kind":"\#(kind)","metadata":{"name":"\#(name)"},"spec":\#(spec)}"#
  }

  private static let template = manifest("AgentTemplate", "mine", #"{"image":"host","command":["sh"]}"#)
  private static let policy = manifest("EgressPolicy", "base", #"{"rules":[{"host":"example.com"}]}"#)
  private static let budget = manifest("LLMBudget", "team", #"{"limits":[{"window":"day","cost":"5"}],"concurrency":4}"#)
  private static let peering = manifest("PeeringRule", "chat", #"{"from":"demo","to":"other","ports":[8080]}"#)

  static let all: [Step] =
    [
      Step(.health), Step(.openAPI), Step(.whoAmI), Step(.cluster), Step(.doctor),
      Step(.createTemplate, body: template), Step(.listTemplates), Step(.getTemplate, ["name": "mine"]),
      Step(.updateTemplate, ["name": "mine"], body: template),
      Step(.createAgent, body: ControlWorld.agent("demo")), Step(.listAgents), Step(.getAgent, demo),
      Step(.updateAgent, demo, body: ControlWorld.agent("demo", spec: #"{"env":{"A":"b"}}"#)),
      Step(.apply, body: ControlWorld.agent("demo", spec: #"{"env":{"A":"c"}}"#)),
      Step(.createPolicy, body: policy), Step(.listPolicies), Step(.getPolicy, ["name": "base"]),
      Step(.updatePolicy, ["name": "base"], body: policy),
      Step(.createAgent, body: ControlWorld.agent("other")),
      Step(.createPeeringRule, body: peering), Step(.listPeeringRules), Step(.getPeeringRule, ["name": "chat"]),
      Step(.updatePeeringRule, ["name": "chat"], body: peering), Step(.deletePeeringRule, ["name": "chat"]),
      Step(.createBudget, body: budget), Step(.listBudgets), Step(.getBudget, ["name": "team"]),
      Step(.updateBudget, ["name": "team"], body: budget), Step(.deleteBudget, ["name": "team"]),
      Step(.runAgent, demo, body: #"{"env":{"X":"y"}}"#), Step(.stopAgent, demo), Step(.resumeAgent, demo),
      Step(.restartAgent, demo),
      Step(
        .waitForAgent, demo, query: [("phase", "Running"), ("phase", "Failed"), ("timeout", "20")],
        prepare: { try await $0.setStatus("demo", of: .root, .running) }),
      Step(.attackAgent, demo),
      Step(.status), Step(.agentLogs, demo, query: [("tail", "10")]),
      Step(
        .copyIntoAgent, demo, query: [("path", "/data")], body: "tar", headers: [("content-type", "application/x-tar")]),
      Step(.copyFromAgent, demo, query: [("path", "/data")]),
    ] + secrets + egress + models + last

  private static let models: [Step] = [
    Step(.createBudget, body: budget), Step(.llmUsage, query: [("by", "agent")]), Step(.llmBudgets), Step(.llmCalls),
    Step(.listLLMContent, query: [("agent", "demo"), ("limit", "5")]), Step(.getLLMContent, ["id": "a1b2-7"]),
    Step(.setLLMCredential, ["route": "unified", "secret": "OPENAI"], body: #"{"value":"s3cr3t-canary-3"}"#),
    Step(.listLLMCredentials), Step(.deleteLLMCredential, ["route": "unified", "secret": "OPENAI"]), Step(.metrics),
    Step(.deleteBudget, ["name": "team"]),
  ]

  private static let secrets: [Step] = [
    Step(
      .addSecret, demo,
      body: #"{"name":"GITHUB_PAT","values":{"token":"s3cr3t-canary"},"hosts":["api.github.com"],"places":["basic"]}"#),
    Step(.listSecrets, demo), Step(.rotateSecret, secret, body: #"{"values":{"token":"s3cr3t-canary-2"}}"#),
    Step(.bindSecret, secret, body: #"{"hosts":["github.com:443"]}"#), Step(.listSecretBindings),
    Step(
      .getSecretBinding, ["name": "demo-github-pat-\(bindingDigits)"]), Step(.removeSecret, secret),
  ]

  /// SHA-256 over `demo`, NUL, `GITHUB_PAT`, first five bytes: the name must not change between versions.
  private static let bindingDigits = "5fa62c9f25"

  private static let egress: [Step] = [
    Step(.addEgressRule, demo, body: #"{"id":"gh","host":"*.github.com","methods":["GET"]}"#),
    Step(.listEgressRules, demo),
    Step(.testEgress, demo, body: #"{"method":"GET","url":"https://api.github.com/repos"}"#),
    Step(
      .addEgressRule, demo,
      body: #"{"id":"git","host":"github.com","git":{"repo":"acme/*","push":true,"refs":["refs/heads/agent/*"]}}"#),
    Step(
      .testEgress, demo,
      body: #"{"method":"POST","url":"https://github.com/acme/x/git-receive-pack","refs":["refs/heads/agent/a"]}"#),
    Step(.removeEgressRule, ["name": "demo", "id": "gh"]),
  ]

  static let chain = [(name: "chain", value: String(repeating: "a", count: 32))]
  static let sender = [("authorization", "Bearer sender-g-0")]

  /// The first records of a chain, as they are handed in.
  static func records(_ count: Int64) -> [UInt8] {
    var (lines, previous) = ([UInt8](), AuditChain.Hash.zero)
    for seq in 1...count {
      var event: [UInt8] = []
      let time = Timestamp(seconds: seq)
      AuditEncoder.encode(AuditEvent(time: time, component: .egress, action: "request", decision: .allow), into: &event)
      let hash = AuditChain.hash(seq: seq, event: event, previous: previous)
      lines += AuditChain.line(seq: seq, event: event, previous: previous, hash: hash) + [10]
      previous = hash
    }
    return lines
  }

  private static let last: [Step] = [
    Step(
      .execInAgent, demo, bytes: [1, 0, 0, 0, 14] + Array(#"{"command":[]}"#.utf8) + [3, 0, 0, 0, 0],
      headers: [("content-type", "application/x-palana-exec")]),
    Step(.kill, body: #"{"target":{"agent":"demo"},"reason":"drill"}"#), Step(.listKillOrders),
    Step(
      .getKillOrder, ["name": "kill-for-show"],
      prepare: { world in
        let _: KillOrder = try await world.store.create(
          KillOrder(
            metadata: ObjectMeta(name: try ResourceName("kill-for-show")),
            spec: KillOrderSpec(
              target: .template("none"), reason: "x", by: try UserIdentity("root"), at: Timestamp(seconds: 0))))
      }), Step(.unkill, body: #"{"target":{"agent":"demo"},"reason":"over"}"#),
    Step(
      .audit, query: [("component", "kill")],
      prepare: { try await $0.waitForAudit(AuditQuery(component: .kill)) }), Step(.verifyAudit),
    Step(.collectAudit, query: chain, bytes: records(2), headers: sender + [("content-type", "application/x-ndjson")]),
    Step(.collectedAudit, query: chain, headers: sender),
    Step(.deletePolicy, ["name": "base"]), Step(.deleteTemplate, ["name": "mine"]),
    Step(.deleteAgent, demo, query: [("purge", "true")]), Step(.shutdown, body: #"{"stopAgents":true}"#),
  ]
}
