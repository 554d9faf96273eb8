import PalanaAPI
import PalanaCore

/// The shapes of resources.
enum ResourceSchemas {
  static let all: [String: JSONValue] = [
    "ObjectMeta": Schema.object(
      "What identifies an object. All but name, labels and annotations is written by the server.",
      required: ["name": Schema.text],
      optional: [
        "uid": Schema.text, "resourceVersion": Schema.text, "generation": Schema.integer,
        "creationTimestamp": Schema.time, "deletionTimestamp": Schema.time, "labels": Schema.textMap,
        "annotations": Schema.textMap,
      ]),
    "Condition": Schema.object(
      required: [
        "type": Schema.text, "status": Schema.choice(["True", "False", "Unknown"]), "reason": Schema.text,
        "message": Schema.text, "lastTransitionTime": Schema.time,
      ]),
    "Agent": Schema.resource("Agent", spec: agentSpec, status: agentStatus),
    "AgentList": Schema.items("Agent", kind: "AgentList"),
    "AgentTemplate": Schema.resource("AgentTemplate", spec: templateSpec),
    "AgentTemplateList": Schema.items("AgentTemplate", kind: "AgentTemplateList"),
    "EgressRule": Schema.object(
      "One rule. A matching deny wins over every allow.",
      required: ["host": Schema.text],
      optional: [
        "id": Schema.text, "action": Schema.choice(EgressRule.Action.self),
        "ports": Schema.list(of: Schema.integer), "methods": Schema.texts, "paths": Schema.texts,
        "schemes": Schema.texts,
        "git": Schema.object(
          "Only Git over smart HTTP; excludes methods and paths.", required: ["repo": Schema.text],
          optional: ["push": Schema.boolean, "refs": Schema.texts]),
      ]),
    "EgressPolicy": Schema.resource(
      "EgressPolicy",
      spec: Schema.object(
        required: ["rules": Schema.list(of: Schema.reference("EgressRule"))], optional: ["selector": selector])),
    "EgressPolicyList": Schema.items("EgressPolicy", kind: "EgressPolicyList"),
    "PeeringRule": Schema.resource(
      "PeeringRule",
      spec: Schema.object(
        required: ["from": Schema.text, "to": Schema.text, "ports": Schema.list(of: Schema.integer)],
        optional: ["owner": Schema.text])),
    "PeeringRuleList": Schema.items("PeeringRule", kind: "PeeringRuleList"),
    "LLMBudget": Schema.resource("LLMBudget", spec: llmBudgetSpec),
    "LLMBudgetList": Schema.items("LLMBudget", kind: "LLMBudgetList"),
    "SecretKey": Schema.object(
      required: ["key": Schema.text], optional: ["placeholder": Schema.text, "variable": Schema.text]),
    "SecretBinding": Schema.resource(
      "SecretBinding",
      spec: Schema.object(
        required: [
          "agent": Schema.text, "secret": Schema.text, "access": Schema.choice(SecretBindingSpec.Access.self),
          "keys": Schema.list(of: Schema.reference("SecretKey")), "hosts": Schema.texts, "places": Schema.texts,
          "revision": Schema.integer,
        ],
        optional: [
          "owner": Schema.text, "require": Schema.boolean, "aws": Schema.reference("AWSScope"), "tokenHosts": Schema.texts,
          "type": Schema.choice(SecretMinting.self),
        ])),
    "AWSScope": Schema.object(
      "What AWS requests are signed for.", required: ["region": Schema.text, "service": Schema.text]),
    "SecretBindingList": Schema.items("SecretBinding", kind: "SecretBindingList"),
    "KillOrder": Schema.resource(
      "KillOrder",
      spec: Schema.object(
        required: [
          "target": ["type": "object"], "reason": Schema.text, "by": Schema.text, "at": Schema.time,
        ], optional: ["stop": Schema.boolean]),
      status: Schema.object(
        optional: [
          "planes": Schema.list(
            of: Schema.object(
              required: ["plane": Schema.choice(KillOrderStatus.Plane.self), "by": Schema.text, "at": Schema.time],
              optional: ["error": Schema.text]))
        ])),
    "KillOrderList": Schema.items("KillOrder", kind: "KillOrderList"),
    "Manifest": [
      "oneOf": [
        Schema.reference("Agent"), Schema.reference("AgentTemplate"), Schema.reference("EgressPolicy"),
        Schema.reference("PeeringRule"), Schema.reference("LLMBudget"),
      ]
    ],
  ]

  static let llmBudgetScope = Schema.object(
    optional: [
      "owner": Schema.text, "agent": Schema.text, "template": Schema.text, "each": Schema.choice(LLMBudgetScope.Each.self),
    ])

  static let llmBudgetSpec = Schema.object(
    optional: [
      "scope": llmBudgetScope,
      "models": Schema.texts,
      "limits": Schema.list(
        of: Schema.object(
          required: ["window": Schema.choice(LLMWindow.self)],
          optional: ["tokens": Schema.integer, "cost": Schema.text, "requests": Schema.integer])),
      "concurrency": Schema.integer, "warnAt": Schema.integer,
    ])

  static let resources = Schema.object(
    optional: ["cpu": Schema.text, "memory": Schema.text, "pids": Schema.integer, "storage": Schema.text])

  static let lifecycle = Schema.object(
    optional: [
      "desired": Schema.choice(AgentLifecycle.Desired.self), "restart": Schema.choice(AgentLifecycle.Restart.self),
      "idleAfter": Schema.text, "restartCount": Schema.integer,
    ])

  static let ports = Schema.list(
    of: Schema.object(
      required: ["name": Schema.text, "port": Schema.integer], optional: ["browser": Schema.boolean]))

  static let reasoning = Schema.object(
    "When the LLM gateway takes a run for stuck.",
    optional: [
      "tier": Schema.choice(AgentReasoning.Tier.self), "maxCalls": Schema.integer, "maxRepeats": Schema.integer,
      "maxToolLoops": Schema.integer,
    ])

  static let egress = Schema.object(optional: ["rules": Schema.list(of: Schema.reference("EgressRule"))])

  private static let selector = Schema.object(
    optional: [
      "agents": Schema.texts, "owners": Schema.texts, "templates": Schema.texts, "matchLabels": Schema.textMap,
    ])

  private static let agentSpec = Schema.object(
    optional: [
      "owner": Schema.text, "template": Schema.text, "image": Schema.text, "command": Schema.texts,
      "workingDirectory": Schema.text, "env": Schema.textMap, "resources": resources, "lifecycle": lifecycle,
      "ports": ports, "trust": Schema.object(optional: ["profile": Schema.text, "phase": Schema.text]),
      "egress": egress, "secrets": Schema.list(of: Schema.object(required: ["name": Schema.text])), "reasoning": reasoning,
    ])

  private static let templateSpec = Schema.object(
    optional: [
      "description": Schema.text, "image": Schema.text, "command": Schema.texts, "workingDirectory": Schema.text,
      "env": Schema.textMap, "resources": resources, "lifecycle": lifecycle, "ports": ports, "egress": egress,
      "reasoning": reasoning, "requires": Schema.list(of: Schema.object(required: ["name": Schema.text, "hint": Schema.text])),
    ])

  static let lastExit = Schema.object(
    required: ["code": Schema.integer, "reason": Schema.text, "time": Schema.time],
    optional: ["message": Schema.text])

  private static let agentStatus = Schema.object(
    required: ["phase": Schema.choice(AgentStatus.Phase.self)],
    optional: [
      "conditions": Schema.list(of: Schema.reference("Condition")), "address": Schema.text,
      "restarts": Schema.integer, "oomKills": Schema.integer, "startedAt": Schema.time, "lastExit": lastExit,
      "usage": Schema.object(
        optional: [
          "memoryBytes": Schema.integer, "cpuSeconds": Schema.number, "pids": Schema.integer,
          "dataBytes": Schema.integer,
        ]), "lastActivity": Schema.time, "observedGeneration": Schema.integer,
    ])
}
