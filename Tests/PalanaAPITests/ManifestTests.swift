import PalanaAPI
import PalanaCore
import Testing

@Suite struct ManifestTests {
  @Test(arguments: [
    ("Agent", fullAgent), ("AgentTemplate", fullTemplate), ("EgressPolicy", fullPolicy), ("PeeringRule", fullPeering),
    ("LLMBudget", fullBudget),
  ])
  func everyKindRoundTripsWithoutLoss(_ kind: String, _ manifest: String) throws {
    let value = try yaml(manifest)
    let resource = try ManifestDecoder.decode(value)
    #expect(resource.kind == kind)
    #expect(resource.validate() == [])
    let encoded = try JSONValue(encoding: resource)
    // Order and all: what people get back reads like what they wrote.
    #expect(String(decoding: encoded.encoded(), as: UTF8.self) == String(decoding: value.encoded(), as: UTF8.self))
    #expect(try ManifestDecoder.decode(json: encoded.encoded()) == resource)
  }

  @Test func theSmallestAgent() throws {
    let resource = try ManifestDecoder.decode(
      yaml("{apiVersion: palana.dev/v1alpha1, kind: Agent, metadata: {name: demo}, spec: {}}"))
    #expect(resource == .agent(Agent(metadata: ObjectMeta(name: try ResourceName("demo")), spec: AgentSpec())))
    #expect(resource.owner == nil)
  }

  @Test(arguments: [
    ("[]", "a manifest is an object, this is a list"),
    ("{}", "kind: required"),
    ("{kind: 3}", "kind: must be text"),
    ("{kind: Pod}", "kind: ‘Pod’ is not known"),
    ("{kind: SecretBinding}", "kind: SecretBinding is written by the platform"),
    ("{kind: KillOrder}", "kind: KillOrder is written by the platform"),
    ("{kind: Agent}", "apiVersion: required"),
    ("{kind: Agent, apiVersion: v1}", "apiVersion: only palana.dev/v1alpha1 is known"),
    ("{kind: Agent, apiVersion: palana.dev/v1alpha1, metadata: {}, spec: {}}", "metadata.name: required"),
    (
      "{kind: Agent, apiVersion: palana.dev/v1alpha1, metadata: {name: A}, spec: {}}",
      "metadata.name: ‘A’ is not a valid name"
    ),
    (
      "{kind: Agent, apiVersion: palana.dev/v1alpha1, metadata: {name: a}, spec: {lifecycle: {restrat: Never}}}",
      "spec.lifecycle.restrat: unknown field, did you mean restart?"
    ),
    (
      "{kind: Agent, apiVersion: palana.dev/v1alpha1, metadata: {name: a}, spec: {lifecycle: {restart: never}}}",
      "spec.lifecycle.restart: ‘never’ is not one of Never, OnFailure, Always"
    ),
    (
      "{kind: Agent, apiVersion: palana.dev/v1alpha1, metadata: {name: a}, spec: {resources: {memory: lots}}}",
      "spec.resources.memory: ‘lots’ is not an amount of bytes"
    ),
    (
      "{kind: Agent, apiVersion: palana.dev/v1alpha1, metadata: {name: a}, spec: {egress: {rules: [{hst: x}]}}}",
      "spec.egress.rules[0].hst: unknown field, did you mean host?; spec.egress.rules[0].host: required"
    ),
    (
      "{kind: Agent, apiVersion: palana.dev/v1alpha1, metadata: {name: a}, spec: {ports: [{name: a, port: \"80\"}]}}",
      "spec.ports[0].port: must be a whole number, not text"
    ),
    (
      "{kind: Agent, apiVersion: palana.dev/v1alpha1, metadata: {name: a}, sepc: {}}",
      "sepc: unknown field, did you mean spec?; spec: required"
    ),
    (
      "{kind: PeeringRule, apiVersion: palana.dev/v1alpha1, metadata: {name: a}, spec: {from: a, to: b, ports: [x]}}",
      "spec.ports[0]: must be a whole number, not text"
    ),
  ])
  func refusalsNameTheField(_ manifest: String, _ expected: String) throws {
    let error = try #require(throws: PalanaError.self) { try ManifestDecoder.decode(try yaml(manifest)) }
    #expect(error.code == .invalid)
    #expect(error.message.hasPrefix(expected), "\(error.message)")
  }

  @Test func killOrdersReadAsPeopleWouldWriteThem() throws {
    let alice = try UserIdentity("alice@example.com")
    let targets: [(KillOrderSpec.Target, JSONValue)] = [
      (.all, ["all": true]), (.template("python"), ["template": "python"]),
      (.owner(alice), ["owner": "alice@example.com"]),
      (.agent(AgentID(owner: alice, name: try ResourceName("demo"))), ["agent": "demo-af04296fd8"]),
    ]
    for (target, written) in targets {
      let order = KillOrder(
        metadata: ObjectMeta(name: try ResourceName("k1")),
        spec: KillOrderSpec(target: target, reason: "r", by: alice, at: Timestamp(seconds: 0)))
      let value = try JSONValue(encoding: order)
      #expect(value["spec"]?["target"] == written)
      #expect(try ManifestDecoder.decode(value, as: KillOrder.self) == order)
    }
  }

  @Test func aKillOrderNamesExactlyOneTarget() throws {
    for target in ["{}", "{all: false}", "{all: true, owner: a}", "{everything: true}"] {
      #expect(throws: PalanaError.self, "\(target)") {
        try StrictDecoder.decode(KillOrderSpec.Target.self, from: try yaml(target))
      }
    }
  }
}
