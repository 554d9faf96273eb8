import PalanaAPI
import PalanaCore
import PalanaPolicy

/// Reads an object as manifests are read on one machine, with every problem in one refusal.
enum WrittenResource {
  static func read<Spec: ResourceSpec>(
    _ object: JSONValue, old: JSONValue?, as type: Resource<Spec>.Type
  ) throws(AdmissionRefusal) -> Resource<Spec> {
    let resource: Resource<Spec>
    do throws(PalanaError) { resource = try decode(object, type) } catch {
      throw AdmissionRefusal(code: 422, reason: "Invalid", message: error.description)
    }
    // One from before these checks may be such as nobody could write now, and is then replaced by one that is sound.
    let problems = old.flatMap { try? decode($0, type) }.map { resource.validateUpdate(from: $0) } ?? resource.validate()
    if let refusal = AdmissionRefusal.invalid(problems.isEmpty ? ruleProblems(resource.spec) : problems) { throw refusal }
    return resource
  }

  /// What the policy cannot read in rules of egress: patterns of hosts and of paths.
  private static func ruleProblems(_ spec: some ResourceSpec) -> [FieldError] {
    let (rules, path): ([EgressRule]?, String) =
      switch spec {
      case let agent as AgentSpec: (agent.egress?.rules, "spec.egress.rules")
      case let template as AgentTemplateSpec: (template.egress?.rules, "spec.egress.rules")
      case let policy as EgressPolicySpec: (policy.rules, "spec.rules")
      default: (nil, "")
      }
    var problems: [FieldError] = []
    for (index, rule) in (rules ?? []).enumerated() {
      do throws(PalanaError) { try CompiledRules.validate(rule, place: "\(path)[\(index)]") } catch {
        problems.append(FieldError("", error.description))
      }
    }
    return problems
  }

  private static func decode<Spec: ResourceSpec>(
    _ object: JSONValue, _ type: Resource<Spec>.Type
  ) throws(PalanaError) -> Resource<Spec> {
    guard case .object(var members) = object else { throw PalanaError(.invalid, "there is no object") }
    members["status"] = nil
    if var metadata = members["metadata"]?.object, metadata["name"] == nil {
      // The server makes the rest of it up.
      metadata["name"] = .string("unnamed")
      members["metadata"] = .object(metadata)
    }
    return try StrictDecoder.decode(type, from: .object(members), passesUnknown: true)
  }
}
