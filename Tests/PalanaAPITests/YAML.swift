import PalanaCore
import Yams

/// YAML text as the value that manifests are decoded from, the way `pcli` does it: plain scalars by the core schema.
func yaml(_ text: String) throws -> JSONValue {
  func value(_ node: Node) throws -> JSONValue {
    switch node {
    case .scalar(let scalar):
      if scalar.style != .plain { return .string(scalar.string) }
      switch scalar.string {
      case "", "~", "null": return .null
      case "true": return true
      case "false": return false
      default: return JSONNumber(literal: scalar.string).map(JSONValue.number) ?? .string(scalar.string)
      }
    case .sequence(let sequence): return .array(try sequence.map(value))
    case .mapping(let mapping):
      var object = JSONObject()
      for (key, member) in mapping { object[key.string ?? ""] = try value(member) }
      return .object(object)
    case .alias: throw PalanaError(.invalid, "aliases are not used here")
    }
  }
  guard let node = try Yams.compose(yaml: text) else { return .null }
  return try value(node)
}

/// The agent of the interface's documentation, with every field.
let fullAgent = """
  apiVersion: palana.dev/v1alpha1
  kind: Agent
  metadata: {name: demo, labels: {team: red}, annotations: {example.com/note: "x y"}}
  spec:
    owner: alice@example.com
    template: python
    image: ""
    command: ["python3", "agent.py"]
    workingDirectory: /data/work
    env: {LOG_LEVEL: info}
    resources: {cpu: "2", memory: 2Gi, pids: 256, storage: 5Gi}
    lifecycle: {desired: Running, restart: OnFailure, idleAfter: 8h, restartCount: 1}
    ports: [{name: ui, port: 8080, browser: true}]
    trust: {profile: default, phase: shadow}
    egress:
      rules:
        - {id: r1, action: allow, host: api.github.com, ports: [443], methods: [GET], paths: ["/repos/**"], schemes: [https]}
        - {id: r2, host: github.com, git: {repo: apple/swift, push: true, refs: [refs/heads/agent/*]}}
    secrets: [{name: GITHUB_PAT}]
    reasoning: {tier: simple, maxCalls: 6, maxRepeats: 2, maxToolLoops: 4}
  status:
    phase: Running
    conditions: [{type: Ready, status: "True", reason: Started, message: It runs., lastTransitionTime: "2026-11-21T00:48:35.000000Z"}]
    address: 10.77.0.5
    restarts: 0
    oomKills: 0
    startedAt: "2026-11-21T00:48:35.000000Z"
    lastExit: {code: 0, reason: Completed, time: "2026-11-21T00:48:35.000000Z", message: done}
    usage: {memoryBytes: 1, cpuSeconds: 0.5, pids: 1, dataBytes: 1}
    lastActivity: "2026-11-21T00:48:35.000000Z"
    observedGeneration: 1
  """

let fullTemplate = """
  apiVersion: palana.dev/v1alpha1
  kind: AgentTemplate
  metadata: {name: mine}
  spec:
    description: Mine.
    image: docker.io/library/python:3.12-slim
    command: [python3]
    workingDirectory: /data
    env: {A: b}
    resources: {cpu: 500m, memory: 64Mi, pids: 8, storage: 1Mi}
    lifecycle: {desired: Stopped, restart: Never, idleAfter: 1h, restartCount: 0}
    ports: [{name: ui, port: 80, browser: false}]
    egress: {rules: [{id: a, action: deny, host: "*.example.com", ports: [80], methods: [POST], paths: [/], schemes: [http]}, {id: g, host: a.test, git: {repo: a/b, push: true, refs: [refs/x]}}]}
    reasoning: {tier: complex, maxCalls: 20, maxRepeats: 5, maxToolLoops: 5}
    requires: [{name: python3, hint: Install it.}]
  """

let fullPolicy = """
  apiVersion: palana.dev/v1alpha1
  kind: EgressPolicy
  metadata: {name: base}
  spec:
    selector: {agents: [demo], owners: [alice@example.com], templates: [python], matchLabels: {team: red}}
    rules: [{id: a, action: allow, host: "**.example.com", ports: [443], methods: [GET], paths: ["/**"], schemes: [https]}, {host: a.test, git: {repo: a/b, push: true, refs: [refs/x]}}]
  """

let fullBudget = """
  apiVersion: palana.dev/v1alpha1
  kind: LLMBudget
  metadata: {name: team}
  spec:
    scope: {owner: alice@example.com, template: python, each: agent}
    models: [gpt-4.1, "claude-*"]
    limits: [{window: minute, tokens: 100000, cost: "0.50", requests: 60}, {window: month, cost: $20}]
    concurrency: 8
    warnAt: 75
  """

let fullPeering = """
  apiVersion: palana.dev/v1alpha1
  kind: PeeringRule
  metadata: {name: a-to-b}
  spec: {owner: alice@example.com, from: a, to: b, ports: [8080, 9090]}
  """
