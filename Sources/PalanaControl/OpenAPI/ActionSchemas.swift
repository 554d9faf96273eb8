import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore

/// The shapes of everything that is not a resource.
enum ActionSchemas {
  static let all: [String: JSONValue] = system.merging(agents) { first, _ in first }
    .merging(containment) { first, _ in first }

  private static let system: [String: JSONValue] = [
    "Error": Schema.object(
      "What happened and what to do about it.",
      required: [
        "error": Schema.object(
          required: [
            "code": Schema.choice(PalanaError.Code.self), "message": Schema.text, "hint": Schema.text,
          ])
      ]),
    "Health": Schema.object(required: ["ok": Schema.boolean]),
    "ClusterAccess": Schema.object(
      required: [
        "name": Schema.text, "server": Schema.text, "certificateAuthority": Schema.text, "namespace": Schema.text,
      ]),
    "WhoAmI": Schema.object(
      required: [
        "user": Schema.text, "operator": Schema.boolean,
        "authentication": Schema.choice(["peer-credentials", "token"]), "installation": Schema.text,
        "version": Schema.text,
      ], optional: ["impersonatedBy": Schema.text]),
    "InstallationStatus": Schema.object(
      required: [
        "version": Schema.text, "startedAt": Schema.time, "home": Schema.text, "gateway": Schema.text,
        "components": Schema.list(
          of: Schema.object(
            required: ["name": Schema.text, "healthy": Schema.boolean, "message": Schema.text])),
        "agents": ["type": "object", "additionalProperties": Schema.integer],
      ]),
    "DoctorReport": Schema.object(
      required: [
        "checks": Schema.list(
          of: Schema.object(
            required: [
              "name": Schema.text, "state": Schema.choice(DoctorReport.State.self), "message": Schema.text,
              "hint": Schema.text,
            ]))
      ]),
    "ShutdownRequest": Schema.object(required: ["stopAgents": Schema.boolean]),
    "ShutdownResult": Schema.object(required: ["accepted": Schema.boolean]),
    "DeleteResult": Schema.object(
      required: ["kind": Schema.text, "name": Schema.text, "done": Schema.boolean]),
    "ApplyResult": Schema.object(
      required: ["action": Schema.choice(ApplyAction.self), "resource": Schema.reference("Manifest")]),
  ]

  private static let agents: [String: JSONValue] = [
    "RunRequest": Schema.object(
      optional: [
        "template": Schema.text, "image": Schema.text, "env": Schema.textMap, "command": Schema.texts,
        "resources": ResourceSchemas.resources, "ports": ResourceSchemas.ports,
        "restart": Schema.choice(AgentLifecycle.Restart.self), "idleAfter": Schema.text,
      ]),
    "RunResult": Schema.object(
      required: [
        "action": Schema.choice(RunResult.Action.self), "agent": Schema.reference("Agent"), "at": Schema.time,
      ]),
    "WaitResult": Schema.object(
      required: ["reached": Schema.boolean],
      optional: [
        "phase": Schema.choice(AgentStatus.Phase.self), "exitCode": Schema.integer,
        "lastExit": ResourceSchemas.lastExit,
      ]),
    "LogRecord": Schema.object(
      required: ["time": Schema.time, "stream": Schema.choice(LogRecord.Stream.self), "text": Schema.text]),
    "AttackRecord": Schema.object(
      "What one attack came to.",
      required: [
        "family": Schema.choice(AttackFamily.self), "name": Schema.text, "claim": Schema.text,
        "verdict": Schema.choice(AttackRecord.Verdict.self), "sent": Schema.text, "came": Schema.text, "of": Schema.integer,
      ], optional: ["advice": Schema.text]),
    "SecretAddRequest": Schema.object(
      required: ["name": Schema.text, "values": Schema.textMap],
      optional: [
        "access": Schema.choice(SecretBindingSpec.Access.self), "hosts": Schema.texts, "places": Schema.texts,
        "placeholder": Schema.text, "require": Schema.boolean, "aws": Schema.reference("AWSScope"), "tokenHosts": Schema.texts,
        "type": Schema.choice(SecretMinting.self),
      ]),
    "SecretRotateRequest": Schema.object(required: ["values": Schema.textMap]),
    "SecretBindRequest": Schema.object(
      optional: [
        "hosts": Schema.texts, "places": Schema.texts, "require": Schema.boolean, "aws": Schema.reference("AWSScope"),
        "tokenHosts": Schema.texts,
      ]),
    "SecretSummary": Schema.object(
      required: [
        "name": Schema.text, "access": Schema.choice(SecretBindingSpec.Access.self),
        "keys": Schema.list(of: Schema.reference("SecretKey")), "hosts": Schema.texts, "places": Schema.texts,
        "revision": Schema.integer,
      ],
      optional: [
        "require": Schema.boolean, "aws": Schema.reference("AWSScope"), "tokenHosts": Schema.texts,
        "type": Schema.choice(SecretMinting.self), "createdAt": Schema.time,
      ]),
    "SecretList": Schema.items("SecretSummary"),
    "EgressRuleEntry": Schema.object(
      required: ["source": Schema.text, "rule": Schema.reference("EgressRule")]),
    "EgressRuleList": Schema.items("EgressRuleEntry"),
    "EgressTestRequest": Schema.object(
      required: ["method": Schema.text, "url": Schema.text], optional: ["refs": Schema.texts]),
    "EgressTestResult": Schema.object(
      required: [
        "allowed": Schema.boolean, "policyVersion": Schema.text, "explanation": Schema.text,
        "stage": Schema.choice(["authority", "request"]), "host": Schema.text, "port": Schema.integer,
        "steps": Schema.list(
          of: Schema.object(
            required: ["layer": Schema.text, "verdict": Schema.text, "explanation": Schema.text],
            optional: ["rule": Schema.text])),
      ], optional: ["reason": Schema.text, "rule": Schema.text]),
  ]

  private static let containment: [String: JSONValue] = [
    "KillTarget": [
      "oneOf": [
        Schema.object(required: ["agent": Schema.text]), Schema.object(required: ["owner": Schema.text]),
        Schema.object(required: ["template": Schema.text]), Schema.object(required: ["all": ["const": true]]),
      ]
    ],
    "KillRequest": Schema.object(
      required: ["target": Schema.reference("KillTarget"), "reason": Schema.text]),
    "KillReport": Schema.object(
      required: [
        "orders": Schema.texts,
        "agents": Schema.list(
          of: Schema.object(required: ["id": Schema.text, "name": Schema.text, "owner": Schema.text])),
        "planes": Schema.list(
          of: Schema.object(
            required: ["name": Schema.text, "milliseconds": Schema.number, "attempts": Schema.integer],
            optional: ["error": Schema.text])), "totalMilliseconds": Schema.number, "warnings": Schema.texts,
      ]),
    "AuditEvent": [
      "type": "object",
      "description": "One record of the audit trail, exactly as it is stored and hashed.",
      "properties": [
        "seq": Schema.integer, "time": Schema.time,
        "component": Schema.choice(AuditEvent.Component.self), "action": Schema.text,
        "decision": Schema.choice(AuditEvent.Decision.self), "severity": Schema.choice(AuditEvent.Severity.self),
        "reason": Schema.text, "rule": Schema.text, "policyVersion": Schema.text, "agent": ["type": "object"],
        "actor": Schema.text, "source": ["type": "object"], "request": ["type": "object"],
        "response": ["type": "object"], "bytesSent": Schema.integer, "durationMs": Schema.number,
        "secrets": Schema.texts, "details": Schema.textMap, "origin": ["type": "object"], "prevHash": Schema.text, "hash": Schema.text,
      ], "required": ["seq", "time", "component", "action", "decision", "secrets", "prevHash", "hash"],
    ],
    "AuditPosition": Schema.object(required: ["seq": Schema.integer, "hash": Schema.text]),
    "AuditVerifyResult": Schema.object(
      required: [
        "ok": Schema.boolean, "events": Schema.integer, "problemCount": Schema.integer,
        "problems": Schema.list(
          of: Schema.object(
            required: [
              "kind": Schema.choice(AuditVerification.Problem.Kind.self), "message": Schema.text,
            ], optional: ["seq": Schema.integer])),
      ], optional: ["firstSeq": Schema.integer, "lastSeq": Schema.integer, "head": Schema.text]),
  ]
}
