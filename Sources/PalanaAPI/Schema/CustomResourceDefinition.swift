package import PalanaCore

/// The kinds as a Kubernetes API server learns them (`apiextensions.k8s.io/v1`), made from the same schemas as everything else.
///
/// What belongs to an owner stands in a namespace, so that rights can be given by it; the rest belongs to the cluster.
package enum CustomResourceDefinition {
  package static let group = "palana.dev"
  package static let version = "v1alpha1"

  /// Of every kind, in the order in which they are to be applied.
  package static var all: [JSONValue] {
    [
      definition(
        AgentTemplateSpec.self, "agt", [("Image", "string", ".spec.image"), ("Description", "string", ".spec.description")]),
      definition(EgressPolicySpec.self, "egp", []),
      definition(
        LLMBudgetSpec.self, "llmb",
        [
          ("Owner", "string", ".spec.scope.owner"), ("Each", "string", ".spec.scope.each"), ("Concurrency", "integer", ".spec.concurrency"),
        ]),
      definition(
        AgentSpec.self, "ag",
        [
          ("Phase", "string", ".status.phase"), ("Owner", "string", ".spec.owner"), ("Template", "string", ".spec.template"),
          ("Address", "string", ".status.address"), ("Restarts", "integer", ".status.restarts"),
        ]),
      definition(
        PeeringRuleSpec.self, "peer",
        [("Owner", "string", ".spec.owner"), ("From", "string", ".spec.from"), ("To", "string", ".spec.to")]),
      definition(
        SecretBindingSpec.self, "sb",
        [("Owner", "string", ".spec.owner"), ("Agent", "string", ".spec.agent"), ("Secret", "string", ".spec.secret")]),
      definition(KillOrderSpec.self, "kill", [("Reason", "string", ".spec.reason"), ("By", "string", ".spec.by")]),
    ]
  }

  private static func definition<Spec: ResourceSpec>(
    _ type: Spec.Type, _ short: String, _ columns: [(name: String, type: String, path: String)]
  ) -> JSONValue {
    let singular = Spec.kind.lowercased()
    let age: JSONValue = ["name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"]
    let shown = columns.map { column -> JSONValue in
      ["name": .string(column.name), "type": .string(column.type), "jsonPath": .string(column.path)]
    }
    return [
      "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
      "metadata": ["name": .string("\(Spec.plural).\(group)")],
      "spec": [
        "group": .string(group), "scope": Spec.isOwned ? "Namespaced" : "Cluster",
        "names": [
          "kind": .string(Spec.kind), "listKind": .string(Spec.kind + "List"), "plural": .string(Spec.plural),
          "singular": .string(singular), "shortNames": [.string(short)], "categories": ["palana"],
        ],
        "versions": [
          [
            "name": .string(version), "served": true, "storage": true, "subresources": ["status": [:]],
            "additionalPrinterColumns": .array(shown + [age]),
            "schema": ["openAPIV3Schema": schema(type)],
          ]
        ],
      ],
    ]
  }

  private static func schema<Spec: ResourceSpec>(_ type: Spec.Type) -> JSONValue {
    var spec = structural(Spec.jsonSchema).object ?? JSONObject()
    if Spec.isOwned { spec["x-kubernetes-validations"] = [ownerStays] }
    if Spec.self == KillOrderSpec.self {
      spec["x-kubernetes-validations"] = [orderStays]
      spec["properties"] = spec["properties"].map { with($0, "target", [oneTarget, allIsTrue]) }
    }
    return [
      "type": "object", "required": ["spec"],
      "properties": [
        "apiVersion": ["type": "string"], "kind": ["type": "string"], "metadata": ["type": "object"], "spec": .object(spec),
        "status": structural(Spec.statusSchema),
      ],
      "x-kubernetes-validations": [nameIsShort],
    ]
  }

  /// Whoever could change the owner could take over the agent's secrets.
  private static let ownerStays: JSONValue = [
    "rule": "!has(oldSelf.owner) || has(self.owner) && self.owner == oldSelf.owner", "message": "the owner is immutable",
    "reason": "FieldValueForbidden", "fieldPath": ".owner",
  ]

  /// What was cut, and is written into the status, was cut for the order as it was given.
  private static let orderStays: JSONValue = [
    "rule": "self == oldSelf", "message": "an order is not changed: delete it and give another one", "reason": "FieldValueForbidden",
  ]

  private static let oneTarget: JSONValue = [
    "rule": "[has(self.agent), has(self.owner), has(self.template), has(self.all)].filter(given, given).size() == 1",
    "message": "exactly one of agent, owner, template, all",
  ]

  private static let allIsTrue: JSONValue = ["rule": "!has(self.all) || self.all", "message": "all can only be true"]

  private static func with(_ properties: JSONValue, _ name: String, _ rules: JSONValue) -> JSONValue {
    guard var members = properties.object, var member = members[name]?.object else { return properties }
    member["x-kubernetes-validations"] = rules
    members[name] = .object(member)
    return .object(members)
  }

  /// The names of namespaces and of other objects are made from it.
  private static let nameIsShort: JSONValue = [
    "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$')",
    "message": "a name has at most 40 lower-case letters, digits and hyphens, and no hyphen at its ends",
  ]

  /// Lists of objects that are told apart by members: of these, whoever applies an object owns the entries, not the whole list.
  private static let keys = ["conditions": ["type"], "ports": ["name"], "secrets": ["name"], "planes": ["plane", "by"]]

  private static func keyed(_ schema: JSONValue, _ name: String) -> JSONValue {
    guard let keys = keys[name], schema["items"]?["type"]?.string == "object", var list = schema.object else { return schema }
    list["x-kubernetes-list-type"] = "map"
    list["x-kubernetes-list-map-keys"] = .array(keys.map(JSONValue.string))
    return .object(list)
  }

  /// A JSON Schema in the form that the API server takes: unknown fields are cut off or refused by itself, a type is one, and a number
  /// that may be a text is marked.
  private static func structural(_ schema: JSONValue) -> JSONValue {
    guard let object = schema.object else { return schema }
    if case .array? = object["type"] {
      var free: JSONObject = ["x-kubernetes-preserve-unknown-fields": true]
      free["description"] = object["description"]
      return .object(free)
    }
    var result = JSONObject()
    for (name, value) in object {
      switch name {
      case "additionalProperties":
        // `false` is what the API server does anyway where properties are listed.
        if value.object != nil { result[name] = structural(value) }
      case "properties":
        var members = JSONObject()
        for (member, schema) in value.object ?? JSONObject() { members[member] = keyed(structural(schema), member) }
        result[name] = .object(members)
      case "items": result[name] = structural(value)
      default: result[name] = value
      }
    }
    return .object(result)
  }
}
