import PalanaAPI
import PalanaCore
import Testing

/// The schemas are written by hand; these tests hold that they name exactly the fields of the types.
@Suite struct SchemaTests {
  /// Every path of members: `spec.ports[].name`.
  private func fields(of value: JSONValue, at path: String = "") -> Set<String> {
    switch value {
    case .object(let object):
      object.reduce(into: []) { paths, member in
        let path = path.isEmpty ? member.key : "\(path).\(member.key)"
        paths.insert(path)
        paths.formUnion(fields(of: member.value, at: path))
      }
    case .array(let elements): elements.reduce(into: []) { $0.formUnion(fields(of: $1, at: path + "[]")) }
    default: []
    }
  }

  private func fields(ofSchema schema: JSONValue, at path: String = "") -> Set<String> {
    if let items = schema["items"] { return fields(ofSchema: items, at: path + "[]") }
    return (schema["properties"]?.object ?? [:]).reduce(into: []) { paths, member in
      let path = path.isEmpty ? member.key : "\(path).\(member.key)"
      paths.insert(path)
      paths.formUnion(fields(ofSchema: member.value, at: path))
    }
  }

  /// The fields of a value that has them all, without the free names of maps.
  private func expected(_ value: JSONValue) -> Set<String> {
    fields(of: value).filter { path in
      !["labels.", "annotations.", "env.", "matchLabels."].contains { path.contains($0) }
    }
  }

  private func check<Spec: ResourceSpec>(_ type: Resource<Spec>.Type, _ value: JSONValue) throws {
    var resource = try ManifestDecoder.decode(value, as: type)
    resource.metadata = ObjectMeta(
      name: resource.metadata.name, uid: "u", resourceVersion: "1", generation: 1,
      creationTimestamp: Timestamp(seconds: 0),
      deletionTimestamp: Timestamp(seconds: 0), labels: ["a": "b"], annotations: ["a": "b"])
    let encoded = try JSONValue(encoding: resource)
    var schema = fields(ofSchema: type.jsonSchema)
    if encoded["status"] == nil { schema.remove("status") }
    #expect(expected(encoded) == schema)
  }

  @Test func agent() throws { try check(Agent.self, yaml(fullAgent)) }
  @Test func template() throws { try check(AgentTemplate.self, yaml(fullTemplate)) }
  @Test func policy() throws { try check(EgressPolicy.self, yaml(fullPolicy)) }
  @Test func budget() throws {
    // All fields at once is no sound budget: one agent, and each agent.
    try check(LLMBudget.self, yaml(fullBudget.replacing("scope: {", with: "scope: {agent: demo, ")))
  }

  @Test func peering() throws { try check(PeeringRule.self, yaml(fullPeering)) }

  @Test func binding() throws {
    try check(
      SecretBinding.self,
      yaml(
        """
        apiVersion: palana.dev/v1alpha1
        kind: SecretBinding
        metadata: {name: x}
        spec:
          owner: a
          agent: demo
          secret: S
          access: proxy-only
          keys: [{key: token, placeholder: TOKEN_S, variable: S}]
          hosts: [a]
          places: [basic]
          require: true
          aws: {region: eu-west-1, service: s3}
          tokenHosts: [b]
          type: github-app
          revision: 1
        """))
  }

  @Test func killOrder() throws {
    let targets = ["agent: demo-1234567890", "owner: a", "template: python", "all: true"]
    var seen: Set<String> = []
    for target in targets {
      let order = try ManifestDecoder.decode(
        yaml(
          """
          apiVersion: palana.dev/v1alpha1
          kind: KillOrder
          metadata: {name: x}
          spec: {target: {\(target)}, reason: r, by: a, at: "2026-11-21T00:48:35Z", stop: false}
          """), as: KillOrder.self)
      seen.formUnion(expected(try JSONValue(encoding: order.spec)))
    }
    #expect(seen == fields(ofSchema: KillOrderSpec.jsonSchema))
    let status = KillOrderStatus(planes: [.init(plane: .gateway, by: "g", at: Timestamp(seconds: 0), error: "e")])
    #expect(expected(try JSONValue(encoding: status)) == fields(ofSchema: KillOrderSpec.statusSchema))
  }

  @Test func requiredFieldsAreRequired() throws {
    // Every member that a schema calls required is refused when it is missing, and no other.
    let rule = try #require(EgressPolicySpec.jsonSchema["properties"]?["rules"]?["items"])
    #expect(rule["required"] == ["host"])
    #expect(EgressPolicySpec.jsonSchema["required"] == ["rules"])
    #expect(AgentSpec.jsonSchema["required"] == nil)
  }
}
