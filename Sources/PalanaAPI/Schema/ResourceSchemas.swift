package import PalanaCore

private typealias Words = SchemaWords

extension Resource {
  /// The JSON Schema of a whole object of this kind. A test holds that it names exactly the fields of the types.
  package static var jsonSchema: JSONValue {
    Words.object(
      [
        ("apiVersion", ["type": "string", "const": .string(apiVersion)]),
        ("kind", ["type": "string", "const": .string(Spec.kind)]),
        ("metadata", ObjectMeta.jsonSchema), ("spec", Spec.jsonSchema), ("status", Spec.statusSchema),
      ], required: ["apiVersion", "kind", "metadata", "spec"])
  }
}

extension ObjectMeta {
  /// The JSON Schema of the metadata.
  package static var jsonSchema: JSONValue {
    Words.object(
      [
        ("name", ["type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$"]),
        ("uid", Words.text("Set by the server.")),
        ("resourceVersion", Words.text("Set by the server; a write that names an old one is a conflict.")),
        ("generation", Words.integer(nil, "Counts changes of the spec.")),
        ("creationTimestamp", Words.time()), ("deletionTimestamp", Words.time()), ("labels", Words.map()),
        ("annotations", Words.map()),
      ], required: ["name"])
  }
}

extension AgentSpec {
  package static var jsonSchema: JSONValue {
    Words.object([
      ("owner", Words.text("Raw identity; set by the server, immutable.")),
      ("template", Words.text("Name of an AgentTemplate.")),
      ("image", Workload.image), ("command", Workload.command), ("workingDirectory", Workload.workingDirectory),
      ("env", Words.map()), ("resources", Workload.resources), ("lifecycle", Workload.lifecycle),
      ("ports", Workload.ports),
      ("trust", Words.object([("profile", Words.text()), ("phase", Words.text())])),
      ("egress", Workload.egress),
      ("secrets", Words.list(Words.object([("name", Words.text())], required: ["name"]))),
      ("reasoning", Workload.reasoning),
    ])
  }

  package static var statusSchema: JSONValue {
    let condition = Words.object(
      [
        ("type", Words.text()), ("status", ["type": "string", "enum": ["True", "False", "Unknown"]]),
        ("reason", Words.text()), ("message", Words.text()), ("lastTransitionTime", Words.time()),
      ], required: ["type", "status", "reason", "message", "lastTransitionTime"])
    let lastExit = Words.object(
      [
        ("code", Words.integer(nil, "The exit code, or 128 plus the signal.")),
        ("reason", Words.text("Completed, Error, OOMKilled, Signaled or StartFailed.")), ("time", Words.time()),
        ("message", Words.text()),
      ], required: ["code", "reason", "time"])
    let usage = Words.object([
      ("memoryBytes", Words.integer()), ("cpuSeconds", Words.number()), ("pids", Words.integer()),
      ("dataBytes", Words.integer()),
    ])
    return Words.object(
      [
        ("phase", Words.choice(AgentStatus.Phase.self)), ("conditions", Words.list(condition)),
        ("address", Words.text()), ("restarts", Words.integer()), ("oomKills", Words.integer()),
        ("startedAt", Words.time()), ("lastExit", lastExit), ("usage", usage), ("lastActivity", Words.time()),
        ("observedGeneration", Words.integer()),
      ], required: ["phase"])
  }
}

extension AgentTemplateSpec {
  package static var jsonSchema: JSONValue {
    Words.object([
      ("description", Words.text()), ("image", Workload.image), ("command", Workload.command),
      ("workingDirectory", Workload.workingDirectory), ("env", Words.map()), ("resources", Workload.resources),
      ("lifecycle", Workload.lifecycle), ("ports", Workload.ports), ("egress", Workload.egress),
      ("reasoning", Workload.reasoning),
      (
        "requires",
        Words.list(
          Words.object([("name", Words.text()), ("hint", Words.text())], required: ["name", "hint"]),
          "Programs that must be there, and how to provide them.")
      ),
    ])
  }
}

extension EgressPolicySpec {
  package static var jsonSchema: JSONValue {
    Words.object([("selector", Workload.selector), ("rules", Words.list(Workload.rule))], required: ["rules"])
  }
}

extension PeeringRuleSpec {
  package static var jsonSchema: JSONValue {
    Words.object(
      [
        ("owner", Words.text("Raw identity; set by the server, immutable.")),
        ("from", Words.text("Name of the agent that connects.")), ("to", Words.text("Name of the agent that listens.")),
        ("ports", Words.list(Words.integer(1...65_535))),
      ], required: ["from", "to", "ports"])
  }
}

extension SecretBindingSpec {
  package static var jsonSchema: JSONValue {
    let key = Words.object(
      [("key", Words.text()), ("placeholder", Words.text()), ("variable", Words.text())], required: ["key"])
    return Words.object(
      [
        ("owner", Words.text()), ("agent", Words.text()), ("secret", Words.text()),
        ("access", Words.choice(Access.self)), ("keys", Words.list(key)), ("hosts", Words.list(Words.text())),
        ("places", Words.list(Words.text())),
        ("require", Words.flag("Requests with another credential in one of the places are refused.")),
        (
          "aws",
          Words.object([("region", Words.text()), ("service", Words.text())], required: ["region", "service"])
        ), ("tokenHosts", Words.list(Words.text())),
        ("type", Words.choice(SecretMinting.self, "Set when the gateway gets a token with the stored values.")),
        ("revision", Words.integer(nil, "Counts rotations.")),
      ], required: ["agent", "secret", "access", "keys", "hosts", "places", "revision"])
  }
}

extension KillOrderSpec {
  package static var jsonSchema: JSONValue {
    // Exactly one of them.
    let target = Words.object([
      ("agent", Words.text()), ("owner", Words.text()), ("template", Words.text()), ("all", Words.flag()),
    ])
    return Words.object(
      [
        ("target", target), ("reason", Words.text()), ("by", Words.text()), ("at", Words.time()),
        ("stop", Words.flag("Whether the processes are ended too; true when absent.")),
      ], required: ["target", "reason", "by", "at"])
  }

  package static var statusSchema: JSONValue {
    let entry = Words.object(
      [
        ("plane", Words.choice(KillOrderStatus.Plane.self)), ("by", Words.text("Who cut it: a gateway’s pod, or operator.")),
        ("at", Words.time()), ("error", Words.text("Why it is not done; absent when it is.")),
      ], required: ["plane", "by", "at"])
    return Words.object([("planes", Words.list(entry))])
  }
}

/// What several kinds have in common.
private enum Workload {
  static var image: JSONValue { Words.text("host, oci-archive:PATH, oci:PATH[:TAG] or a registry reference.") }
  static var command: JSONValue { Words.list(Words.text()) }
  static var workingDirectory: JSONValue { Words.text("Absolute path inside the sandbox; /data when absent.") }

  static var resources: JSONValue {
    Words.object([
      ("cpu", Words.quantity("Processors: 2, 0.5 or 500m.")), ("memory", Words.quantity("Bytes: 2Gi, 512Mi.")),
      ("pids", Words.integer(8...32_768)), ("storage", Words.quantity("Bytes of /data: 5Gi.")),
    ])
  }

  static var lifecycle: JSONValue {
    Words.object([
      ("desired", Words.choice(AgentLifecycle.Desired.self, "Running when absent.")),
      ("restart", Words.choice(AgentLifecycle.Restart.self, "OnFailure when absent.")),
      ("idleAfter", Words.text("A length of time such as 8h; never when absent.")),
      ("restartCount", Words.integer(0...Int(Int32.max))),
    ])
  }

  static var ports: JSONValue {
    Words.list(
      Words.object(
        [
          ("name", Words.text()), ("port", Words.integer(1...65_535)),
          ("browser", Words.flag("Whether people may open it in a browser.")),
        ], required: ["name", "port"]))
  }

  static var reasoning: JSONValue {
    Words.object([
      (
        "tier",
        Words.choice(AgentReasoning.Tier.self, "Calls of models in a run: simple 8, complex 15; only maxCalls bounds them when absent.")
      ),
      ("maxCalls", Words.integer(1...100_000, "In place of the tier's number.")),
      ("maxRepeats", Words.integer(1...15, "How often a prompt may come again; 3 when absent.")),
      ("maxToolLoops", Words.integer(1...15, "How often the same calls of tools may come again in a row; 3 when absent.")),
    ])
  }

  static var egress: JSONValue { Words.object([("rules", Words.list(rule))]) }

  static var rule: JSONValue {
    Words.object(
      [
        ("id", Words.text("Given by the server when absent.")),
        ("action", Words.choice(EgressRule.Action.self, "allow when absent; a deny wins over every allow.")),
        ("host", Words.text("An exact name or address, *.example.com or **.example.com.")),
        ("ports", Words.list(Words.integer(1...65_535), "443 and 80 when absent.")),
        ("methods", Words.list(Words.text(), "Every method when absent.")),
        ("paths", Words.list(Words.text(), "Globs; every path when absent.")),
        ("schemes", Words.list(["type": "string", "enum": ["https", "http"]])), ("git", git),
      ], required: ["host"])
  }

  static var git: JSONValue {
    Words.object(
      [
        ("repo", Words.text("Path of a repository without .git, or a glob: apple/swift, apple/*.")),
        ("push", Words.flag("Whether pushing is allowed too; in a deny rule: only pushing is denied.")),
        ("refs", Words.list(Words.text(), "Globs over the refs that a push may change; every ref when absent.")),
      ], required: ["repo"])
  }

  static var selector: JSONValue {
    Words.object([
      ("agents", Words.list(Words.text())), ("owners", Words.list(Words.text("Raw identities."))),
      ("templates", Words.list(Words.text())), ("matchLabels", Words.map()),
    ])
  }
}
