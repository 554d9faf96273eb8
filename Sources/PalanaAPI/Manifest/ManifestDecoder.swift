package import PalanaCore

/// Reads manifests strictly: an unknown field, a wrong type or a wrong value is an error that names the field.
package enum ManifestDecoder {
  /// - Parameter json: one JSON document, UTF-8.
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func decode(json: [UInt8]) throws(PalanaError) -> AnyResource {
    try decode(JSONValue(parsing: json))
  }

  /// Reads an already parsed document, for example one that was YAML.
  /// - Throws: ``PalanaError`` with code `invalid`.
  package static func decode(_ value: JSONValue) throws(PalanaError) -> AnyResource {
    guard case .object(let object) = value else {
      throw PalanaError(.invalid, "a manifest is an object, this is \(value.typeName)")
    }
    guard let kind = object["kind"]?.string else {
      throw PalanaError(
        .invalid, "kind: \(object["kind"] == nil ? "required" : "must be text")",
        hint: "one of \(AnyResource.kinds.joined(separator: ", "))")
    }
    switch kind {
    case AgentSpec.kind: return .agent(try decode(value, as: Agent.self))
    case AgentTemplateSpec.kind: return .agentTemplate(try decode(value, as: AgentTemplate.self))
    case EgressPolicySpec.kind: return .egressPolicy(try decode(value, as: EgressPolicy.self))
    case PeeringRuleSpec.kind: return .peeringRule(try decode(value, as: PeeringRule.self))
    case LLMBudgetSpec.kind: return .llmBudget(try decode(value, as: LLMBudget.self))
    case SecretBindingSpec.kind:
      throw PalanaError(.invalid, "kind: SecretBinding is written by the platform", hint: "use `pcli secrets add`")
    case KillOrderSpec.kind:
      throw PalanaError(.invalid, "kind: KillOrder is written by the platform", hint: "use `pcli kill`")
    default:
      throw PalanaError(
        .invalid, "kind: ‘\(kind.prefix(60))’ is not known", hint: "one of \(AnyResource.kinds.joined(separator: ", "))"
      )
    }
  }

  /// Reads a document whose kind is known.
  /// - Throws: ``PalanaError`` with code `invalid`, also when the document is of another kind.
  package static func decode<Spec: ResourceSpec>(
    _ value: JSONValue, as type: Resource<Spec>.Type
  ) throws(PalanaError) -> Resource<Spec> {
    try StrictDecoder.decode(type, from: value)
  }
}
