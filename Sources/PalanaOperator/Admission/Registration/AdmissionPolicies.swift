import PalanaAPI
package import PalanaCore
import PalanaKube
import PalanaPlan

/// The second line: policies that the API server evaluates by itself (`ValidatingAdmissionPolicy`), whatever becomes of the webhooks. Pure.
///
/// They say the part of the judges' decisions that needs to know nothing but the request.
package struct AdmissionPolicies: Sendable {
  private let parties: Parties

  package init(_ parties: Parties) { self.parties = parties }

  /// Each policy and its binding, in the order in which they are applied.
  package var all: [JSONValue] { objects.map(\.object.json) }

  var objects: [(resource: KubeResource, object: KubeObject)] {
    policies.flatMap { [(RegistrationKinds.policies, $0.object), (RegistrationKinds.bindings, $0.binding)] }
  }

  private var policies: [AdmissionPolicy] {
    let group = CustomResourceDefinition.group
    func own(_ resources: [String], _ operations: [String]) -> JSONValue { RegistrationRule.rule(group, "*", resources, operations) }
    func core(_ resources: [String], _ operations: [String]) -> JSONValue { RegistrationRule.rule("", "v1", resources, operations) }
    return [
      AdmissionPolicy(
        name: "palana-agents", rules: [own([AgentSpec.plural, PeeringRuleSpec.plural], ["CREATE", "UPDATE"])],
        variables: who + metadata, checks: Self.owned),
      AdmissionPolicy(
        name: "palana-platform",
        rules: [
          own([AgentTemplateSpec.plural, EgressPolicySpec.plural, LLMBudgetSpec.plural], ["CREATE", "UPDATE", "DELETE"]),
          own([SecretBindingSpec.plural], ["CREATE", "UPDATE"]),
        ], variables: who,
        checks: [
          (
            "variables.isTrusted || request.operation == 'UPDATE' && object.spec == oldObject.spec",
            "only the platform and its administrators write this"
          )
        ]),
      AdmissionPolicy(
        name: "palana-kill-orders", rules: [own([KillOrderSpec.plural], ["CREATE", "UPDATE", "DELETE"])], variables: who,
        checks: Self.orders),
      AdmissionPolicy(
        name: "palana-status", rules: [own(["*/status"], ["UPDATE"])], variables: who,
        checks: [
          ("variables.isTrusted || request.userInfo.username == \(CELText.literal(gateway))", "only the platform writes a status")
        ]),
      AdmissionPolicy(
        name: "palana-pods", rules: [core(["pods", "pods/ephemeralcontainers"], ["CREATE", "UPDATE"])],
        namespaces: WebhookConfigurations.agentNamespaces,
        conditions: [("changes-the-spec", "request.operation != 'UPDATE' || object.spec != oldObject.spec")],
        variables: who + PodPolicy.variables, checks: PodPolicy.checks),
      AdmissionPolicy(
        name: "palana-entry", rules: [core(["pods/exec", "pods/attach", "pods/portforward", "pods/proxy"], ["CONNECT"])],
        namespaces: WebhookConfigurations.agentNamespaces, variables: who,
        checks: [
          (
            "variables.isTrusted && request.userInfo.username != \(CELText.literal(parties.reaper)) || "
              + "has(namespaceObject.metadata.annotations) && \(CELText.literal(AgentLabels.owner)) in namespaceObject.metadata.annotations && "
              + "namespaceObject.metadata.annotations[\(CELText.literal(AgentLabels.owner))] == request.userInfo.username",
            "only the agent’s owner and platform administrators come in"
          )
        ]),
      AdmissionPolicy(
        name: "palana-namespaces", rules: [core(["namespaces"], ["CREATE", "UPDATE"])],
        conditions: [("of-an-agent", CELText.isAgentNamespace)], variables: who + metadata,
        checks: [
          (
            "variables.isEngine || request.operation == 'UPDATE' && variables.labels == variables.oldLabels && variables.keepsAnnotations",
            "the namespace is an agent’s: only the operator makes and labels it"
          )
        ]),
    ]
  }

  private var gateway: String { Parties.account("palana-gateway", in: parties.namespace) }

  // MARK: Variables

  private var who: [(String, String)] {
    let user = "request.userInfo.username"
    return [
      ("isEngine", "\(user) == \(CELText.literal(parties.engine))"),
      ("isPlatform", "\(user) in \(CELText.list([parties.engine, parties.control, parties.reaper]))"),
      (
        "isAdministrator",
        "\(user) in \(CELText.list(parties.administrators.map(\.raw))) || has(request.userInfo.groups) && "
          + "request.userInfo.groups.exists(g, g in \(CELText.list(parties.administratorGroups)))"
      ),
      ("isTrusted", "variables.isPlatform || variables.isAdministrator"),
    ]
  }

  private var metadata: [(String, String)] {
    func old(_ member: String) -> String { "request.operation == 'UPDATE' ? (\(CELText.map("oldObject", member))) : {}" }
    let ours = "k.startsWith('palana.dev/')"
    return [
      ("labels", CELText.map("object", "labels")), ("oldLabels", old("labels")),
      ("annotations", CELText.map("object", "annotations")), ("oldAnnotations", old("annotations")),
      (
        "keepsAnnotations",
        "variables.annotations.all(k, !\(ours) || k == 'palana.dev/purge' || "
          + "k in variables.oldAnnotations && variables.oldAnnotations[k] == variables.annotations[k]) && "
          + "variables.oldAnnotations.all(k, !\(ours) || k == 'palana.dev/purge' || k in variables.annotations)"
      ),
    ]
  }

  // MARK: Checks

  private static let owned: [(String, String)] = [
    (
      "variables.isTrusted || request.operation == 'UPDATE' && object.spec == oldObject.spec || "
        + "has(object.spec.owner) && object.spec.owner == request.userInfo.username",
      "spec.owner must be you; only platform administrators act for others"
    ),
    (
      "request.operation != 'UPDATE' || !has(oldObject.spec.owner) || "
        + "has(object.spec.owner) && object.spec.owner == oldObject.spec.owner", "spec.owner is immutable"
    ),
    ("variables.isTrusted || variables.keepsAnnotations", "only the platform and its administrators set annotations of palana.dev"),
  ]

  private static let orders: [(String, String)] = [
    (
      "request.operation != 'CREATE' || [has(object.spec.target.agent), has(object.spec.target.owner), "
        + "has(object.spec.target.template), has(object.spec.target.all)].filter(x, x).size() == 1",
      "spec.target: exactly one of agent, owner, template, all"
    ),
    ("request.operation != 'CREATE' || variables.isPlatform || object.spec.by == request.userInfo.username", "spec.by must be you"),
    (
      "request.operation != 'CREATE' || variables.isTrusted || has(object.spec.target.agent) || "
        + "has(object.spec.target.owner) && object.spec.target.owner == request.userInfo.username",
      "you may cut off your own agents; everything else is for platform administrators"
    ),
    ("request.operation != 'DELETE' || variables.isTrusted", "a kill order is taken back by platform administrators only"),
  ]
}

/// One policy that applies everywhere its rules do.
struct AdmissionPolicy {
  var name: String
  var rules: [JSONValue]
  var namespaces: JSONValue = [:]
  var conditions: [(String, String)] = []
  var variables: [(name: String, expression: String)]
  /// An expression that must hold, and what people read when it does not.
  var checks: [(String, String)]

  var object: KubeObject {
    var object = KubeObject(RegistrationKinds.policies, name: name)
    object.setMetadata("labels", .texts([AgentLabels.managedBy: AgentLabels.manager]))
    var spec: JSONObject = [
      "failurePolicy": "Fail",
      "matchConstraints": [
        "matchPolicy": "Equivalent", "namespaceSelector": namespaces, "objectSelector": [:], "resourceRules": .array(rules),
      ],
    ]
    if !conditions.isEmpty {
      spec["matchConditions"] = .array(conditions.map { ["name": .string($0.0), "expression": .string($0.1)] })
    }
    spec["variables"] = .array(variables.map { ["name": .string($0.name), "expression": .string($0.expression)] })
    spec["validations"] = .array(
      checks.map { ["expression": .string($0.0), "message": .string($0.1), "reason": "Forbidden"] })
    object["spec"] = .object(spec)
    return object
  }

  var binding: KubeObject {
    var object = KubeObject(RegistrationKinds.bindings, name: name)
    object.setMetadata("labels", .texts([AgentLabels.managedBy: AgentLabels.manager]))
    object["spec"] = ["policyName": .string(name), "validationActions": ["Deny"]]
    return object
  }
}
