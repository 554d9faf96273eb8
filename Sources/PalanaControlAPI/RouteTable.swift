extension Route {
  /// Every route of the control API.
  package static let all: [Route] = system + resources + agentActions + secrets + egress + containment + llm

  static let byOperation = Dictionary(all.map { ($0.operation, $0) }, uniquingKeysWith: { first, _ in first })

  /// Stands in for an operation without an entry; a test holds that there is none.
  static func missing(_ operation: Operation) -> Route {
    Route(operation, .get, "/missing/\(operation.rawValue)", "", response: .none)
  }

  private static let owner = Query("owner", .string, "Raw identity of another owner; operators only.")

  private static let system: [Route] = [
    Route(.health, .get, "/healthz", "Says that the server answers.", access: .anyone, response: .json("Health")),
    Route(.openAPI, .get, "/openapi.json", "This document.", access: .anyone, response: .document),
    Route(.whoAmI, .get, "/v1/whoami", "Who the caller is, as the server sees it.", response: .json("WhoAmI")),
    Route(
      .status, .get, "/v1/status", "The parts of the platform and the agents by phase.",
      response: .json("InstallationStatus")),
    Route(
      .cluster, .get, "/v1/cluster", "How to reach the cluster with its own tools; nothing of that kind on one machine.",
      response: .json("ClusterAccess")),
    Route(.doctor, .get, "/v1/doctor", "Checks of this installation with hints.", response: .json("DoctorReport")),
    Route(
      .shutdown, .post, "/v1/shutdown", "Ends the daemon, with or without its agents.", access: .operator,
      request: .json("ShutdownRequest"), response: .json("ShutdownResult"), success: 202),
  ]

  private static let resources: [Route] =
    kind(
      "agents", "Agent", operations: (.listAgents, .getAgent, .createAgent, .updateAgent, .deleteAgent),
      writers: .caller, owned: true)
    + kind(
      "agenttemplates", "AgentTemplate",
      operations: (.listTemplates, .getTemplate, .createTemplate, .updateTemplate, .deleteTemplate),
      writers: .operator, owned: false)
    + kind(
      "egresspolicies", "EgressPolicy",
      operations: (.listPolicies, .getPolicy, .createPolicy, .updatePolicy, .deletePolicy),
      writers: .operator, owned: false)
    + kind(
      "peeringrules", "PeeringRule",
      operations: (
        .listPeeringRules, .getPeeringRule, .createPeeringRule, .updatePeeringRule, .deletePeeringRule
      ), writers: .caller, owned: true)
    + kind(
      "llmbudgets", "LLMBudget", operations: (.listBudgets, .getBudget, .createBudget, .updateBudget, .deleteBudget),
      writers: .operator, owned: false)
    + readable(
      "secretbindings", "SecretBinding", list: .listSecretBindings, get: .getSecretBinding, access: .caller,
      owned: true)
    + readable(
      "killorders", "KillOrder", list: .listKillOrders, get: .getKillOrder, access: .operator, owned: false)
    + [
      Route(
        .apply, .post, "/v1/apply", "Creates or updates what one manifest names.", query: [owner], request: .manifest,
        response: .json("ApplyResult"))
    ]

  private static func readable(
    _ plural: String, _ kind: String, list: Operation, get: Operation, access: Access, owned: Bool
  ) -> [Route] {
    let query = owned ? [owner] : []
    return [
      Route(
        list, .get, "/v1/\(plural)", "Lists \(plural).", access: access, query: query, response: .json("\(kind)List")),
      Route(
        get, .get, "/v1/\(plural)/{name}", "Reads one \(kind).", access: access, query: query, response: .json(kind)),
    ]
  }

  private static func kind(
    _ plural: String, _ kind: String,
    operations: (list: Operation, get: Operation, create: Operation, update: Operation, delete: Operation),
    writers: Access, owned: Bool
  ) -> [Route] {
    let query = owned ? [owner] : []
    let purge = Query("purge", .boolean, "Also removes what is stored for it: data, secrets, logs.")
    return readable(
      plural, kind, list: operations.list, get: operations.get, access: .caller, owned: owned)
      + [
        Route(
          operations.create, .post, "/v1/\(plural)", "Creates one \(kind).", access: writers, query: query,
          request: .json(kind), response: .json(kind), success: 201),
        Route(
          operations.update, .put, "/v1/\(plural)/{name}",
          "Replaces one \(kind); a resourceVersion in it must be the present one.", access: writers, query: query,
          request: .json(kind), response: .json(kind)),
        Route(
          operations.delete, .delete, "/v1/\(plural)/{name}", "Deletes one \(kind).", access: writers,
          query: query + (kind == "Agent" ? [purge] : []), response: .json("DeleteResult")),
      ]
  }

  private static func agent(
    _ operation: Operation, _ verb: Verb, _ path: String, _ summary: String, query: [Query] = [],
    request: Payload = .none, response: Payload, success: Int = 200
  ) -> Route {
    Route(
      operation, verb, "/v1/agents/{name}/\(path)", summary, query: [owner] + query, request: request,
      response: response, success: success)
  }

  private static let agentActions: [Route] = [
    agent(
      .runAgent, .post, "run", "Starts an agent; creates it when there is none of this name.",
      request: .json("RunRequest"), response: .json("RunResult")),
    agent(.stopAgent, .post, "stop", "Wants the agent stopped; its data stays.", response: .json("Agent")),
    agent(.resumeAgent, .post, "resume", "Wants the agent running again.", response: .json("Agent")),
    agent(.restartAgent, .post, "restart", "Ends the present run and starts a new one.", response: .json("Agent")),
    agent(
      .waitForAgent, .get, "wait", "Waits for a phase or for the end of a run.",
      query: [
        Query("phase", .string, "A phase to wait for.", isRepeated: true),
        Query("exitAfter", .string, "Waits for an exit at or after this RFC 3339 time."),
        Query("timeout", .integer, "Seconds until the answer comes in any case, 0 to 60; absent: 30."),
      ], response: .json("WaitResult")),
    agent(
      .agentLogs, .get, "logs", "What the agent wrote.",
      query: [
        Query("follow", .boolean, "Keeps the stream open."), Query("since", .string, "RFC 3339 time."),
        Query("previous", .boolean, "The run before the present one."), Query("tail", .integer, "Only the last lines."),
      ], response: .lines("LogRecord")),
    agent(
      .execInAgent, .post, "exec", "Runs a command in the sandbox; both bodies are streams of frames.",
      request: .frames, response: .frames),
    agent(
      .copyIntoAgent, .put, "files", "Unpacks a tar stream below a directory of the agent.",
      query: [Query("path", .string, "Absolute directory in the sandbox.")], request: .tar, response: .none,
      success: 204),
    agent(
      .copyFromAgent, .get, "files", "Reads a path of the agent as a tar stream.",
      query: [Query("path", .string, "Absolute path in the sandbox.")], response: .tar),
    agent(
      .attackAgent, .post, "attack", "Attacks the way out of an agent that runs; harms nothing. One line for each case.",
      response: .lines("AttackRecord")),
  ]

  private static let secrets: [Route] = [
    agent(
      .addSecret, .post, "secrets", "Stores a secret of an agent.", request: .json("SecretAddRequest"),
      response: .json("SecretSummary"), success: 201),
    agent(.listSecrets, .get, "secrets", "The secrets of an agent, without values.", response: .json("SecretList")),
    agent(
      .rotateSecret, .post, "secrets/{secret}/rotate", "Replaces values.", request: .json("SecretRotateRequest"),
      response: .json("SecretSummary")),
    agent(
      .bindSecret, .post, "secrets/{secret}/bind", "Says where a proxy-only secret may go.",
      request: .json("SecretBindRequest"), response: .json("SecretSummary")),
    agent(
      .removeSecret, .delete, "secrets/{secret}", "Removes a secret and its values.", response: .json("DeleteResult")),
  ]

  private static let egress: [Route] = [
    agent(
      .listEgressRules, .get, "egress/rules", "Every rule that applies to the agent, with where it comes from.",
      response: .json("EgressRuleList")),
    agent(
      .addEgressRule, .post, "egress/rules", "Adds a rule to the agent.", request: .json("EgressRule"),
      response: .json("EgressRuleEntry"), success: 201),
    agent(
      .removeEgressRule, .delete, "egress/rules/{id}", "Removes a rule of the agent.", response: .json("DeleteResult")),
    agent(
      .testEgress, .post, "egress/test", "Says what would be decided and why; sends nothing.",
      request: .json("EgressTestRequest"), response: .json("EgressTestResult")),
  ]

  private static let containment: [Route] = [
    Route(
      .kill, .post, "/v1/kill", "Cuts agents off and keeps them cut off.", query: [owner],
      request: .json("KillRequest"), response: .json("KillReport")),
    Route(
      .unkill, .post, "/v1/unkill", "Takes back orders with exactly this target.", query: [owner],
      request: .json("KillRequest"), response: .json("KillReport")),
    Route(
      .audit, .get, "/v1/audit", "The audit trail, oldest first.", query: AuditRequest.parameters,
      response: .lines("AuditEvent")),
    Route(
      .verifyAudit, .get, "/v1/audit/verify", "Checks the hash chain.", access: .operator,
      response: .json("AuditVerifyResult")),
    Route(
      .collectedAudit, .get, "/v1/audit/collected", "How far a chain of the sender was taken.", access: .sender, query: [chain],
      response: .json("AuditPosition")),
    Route(
      .collectAudit, .post, "/v1/audit/collected",
      "Takes records of a chain of the sender, in their order; those that are there already add nothing.",
      access: .sender, query: [chain], request: .lines("AuditEvent"), response: .json("AuditPosition")),
  ]

  private static let chain = Query("chain", .string, "The name of the chain: 32 hexadecimal digits.")
}
