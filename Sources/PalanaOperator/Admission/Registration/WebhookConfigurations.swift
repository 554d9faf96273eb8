import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

/// What the API server is told of the webhooks: `MutatingWebhookConfiguration` and `ValidatingWebhookConfiguration`. Pure.
///
/// Every member that the server would give a default is written, so that what is there can be compared with this.
struct WebhookConfigurations: Sendable {
  static let name = "palana"
  /// Shorter than what a person waits for, longer than any judge takes.
  static let timeoutSeconds = 5

  var configuration: AdmissionConfiguration
  /// PEM.
  var bundle: String

  /// Only the namespaces of agents.
  static let agentNamespaces: JSONValue = ["matchExpressions": [["key": .string(AgentLabels.agentID), "operator": "Exists"]]]

  var mutating: KubeObject {
    object(
      RegistrationKinds.mutating,
      [
        hook("pods", .mutate, [rule("", ["pods"], ["CREATE"])], namespaces: Self.agentNamespaces),
        hook("agents", .mutate, [own([AgentSpec.plural, PeeringRuleSpec.plural], ["CREATE", "UPDATE"])], conditions: [notTheOperator]),
        // A kill must get through whatever else is down.
        hook("orders", .mutate, [own([KillOrderSpec.plural], ["CREATE"])], policy: "Ignore"),
      ])
  }

  var validating: KubeObject {
    object(
      RegistrationKinds.validating,
      [
        hook(
          "pods", .validate, [rule("", ["pods", "pods/ephemeralcontainers", "pods/resize"], ["CREATE", "UPDATE"])],
          namespaces: Self.agentNamespaces),
        hook(
          "entry", .validate, [rule("", ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy"], ["CONNECT"])],
          namespaces: Self.agentNamespaces),
        hook("agents", .validate, [own([AgentSpec.plural, PeeringRuleSpec.plural], ["CREATE", "UPDATE"])], conditions: [notTheOperator]),
        hook(
          "platform", .validate,
          [
            own([AgentTemplateSpec.plural, EgressPolicySpec.plural, LLMBudgetSpec.plural], ["CREATE", "UPDATE", "DELETE"]),
            own([SecretBindingSpec.plural], ["CREATE", "UPDATE"]),
          ]),
        hook("orders", .validate, [own([KillOrderSpec.plural], ["CREATE", "UPDATE", "DELETE"])], policy: "Ignore"),
        hook(
          "namespaces", .validate, [rule("", ["namespaces"], ["CREATE", "UPDATE"])],
          conditions: [notTheOperator, ("of-palana", CELText.isPlatformNamespace)]),
      ])
  }

  private func object(_ resource: KubeResource, _ hooks: [JSONValue]) -> KubeObject {
    var object = KubeObject(resource, name: Self.name)
    object.setMetadata("labels", .texts([AgentLabels.managedBy: AgentLabels.manager]))
    object["webhooks"] = .array(
      hooks.map { hook in
        guard resource == RegistrationKinds.mutating, var members = hook.object else { return hook }
        members["reinvocationPolicy"] = "IfNeeded"
        return .object(members)
      })
    return object
  }

  private func hook(
    _ name: String, _ phase: AdmissionJudge.Phase, _ rules: [JSONValue], namespaces: JSONValue = [:],
    conditions: [(String, String)] = [], policy: String = "Fail"
  ) -> JSONValue {
    var hook: JSONObject = [
      "name": .string("\(name).palana.dev"), "clientConfig": .object(configuration.reach.client(phase.rawValue, bundle: bundle)),
      "rules": .array(rules), "failurePolicy": .string(policy), "matchPolicy": "Equivalent", "namespaceSelector": namespaces,
      "objectSelector": [:], "sideEffects": "None", "timeoutSeconds": .int(Self.timeoutSeconds), "admissionReviewVersions": ["v1"],
    ]
    if !conditions.isEmpty {
      hook["matchConditions"] = .array(conditions.map { ["name": .string($0.0), "expression": .string($0.1)] })
    }
    return .object(hook)
  }

  /// The operator serves the webhooks; what it needs to go on must not wait for them.
  private var notTheOperator: (String, String) {
    ("not-the-operator", "request.userInfo.username != \(CELText.literal(configuration.parties.engine))")
  }

  private func rule(_ group: String, _ resources: [String], _ operations: [String]) -> JSONValue {
    RegistrationRule.rule(group, "v1", resources, operations)
  }

  private func own(_ resources: [String], _ operations: [String]) -> JSONValue {
    RegistrationRule.rule(CustomResourceDefinition.group, "*", resources, operations)
  }
}

/// Which requests are meant.
enum RegistrationRule {
  static func rule(_ group: String, _ version: String, _ resources: [String], _ operations: [String]) -> JSONValue {
    [
      "apiGroups": [.string(group)], "apiVersions": [.string(version)], "resources": .array(resources.map { .string($0) }),
      "operations": .array(operations.map { .string($0) }), "scope": "*",
    ]
  }
}

/// The kinds by which the API server learns of admission.
enum RegistrationKinds {
  static let mutating = kind("mutatingwebhookconfigurations", "MutatingWebhookConfiguration")
  static let validating = kind("validatingwebhookconfigurations", "ValidatingWebhookConfiguration")
  static let policies = kind("validatingadmissionpolicies", "ValidatingAdmissionPolicy")
  static let bindings = kind("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding")
  static let webhooks = [mutating, validating]
  static let policy = [policies, bindings]

  private static func kind(_ plural: String, _ kind: String) -> KubeResource {
    KubeResource("admissionregistration.k8s.io", "v1", plural, kind: kind, isNamespaced: false)
  }
}
