package import PalanaAPI
package import PalanaAudit
package import PalanaCore
import PalanaPolicy

/// What the control API needs to know of a kind beyond its shape.
package protocol ControlledSpec: ResourceSpec {
  /// For example `agent`.
  static var noun: String { get }
  /// Whether only operators may write it.
  static var isOperatorsOnly: Bool { get }
  /// Under which component changes are audited.
  static var component: AuditEvent.Component { get }
  /// The owner field; nil for kinds without one.
  var writtenOwner: UserIdentity? { get set }
  /// Objects that every installation has; one of the same name in the store wins.
  static var builtIn: [Resource<Self>] { get }
  /// Problems that need more than the shape: patterns of hosts and paths.
  func policyProblems() -> [FieldError]
  /// What the server fills in or keeps when the written form says nothing. `old` is nil at creation.
  mutating func complete(from old: Self?)
  /// Whether the gateway decides differently after a change from `old` to `new`; nil is none.
  static func changesDecisions(from old: Resource<Self>?, to new: Resource<Self>?) -> Bool
}

extension ControlledSpec {
  package static var isOperatorsOnly: Bool { false }
  package static var component: AuditEvent.Component { .lifecycle }
  package static var builtIn: [Resource<Self>] { [] }
  package var writtenOwner: UserIdentity? {
    get { nil }
    set {}
  }
  package func policyProblems() -> [FieldError] { [] }
  package mutating func complete(from old: Self?) {}
  package static func changesDecisions(from old: Resource<Self>?, to new: Resource<Self>?) -> Bool { false }

  /// For example `an agent`.
  static var article: String { ("aeiou".contains(noun.prefix(1)) ? "an " : "a ") + noun }
}

extension AgentSpec: ControlledSpec {
  package static var noun: String { "agent" }
  package var writtenOwner: UserIdentity? {
    get { owner }
    set { owner = newValue }
  }
  package func policyProblems() -> [FieldError] { EgressRuleForm.problems(egress?.rules, at: "spec.egress.rules") }

  package mutating func complete(from old: AgentSpec?) {
    if let rules = egress?.rules { egress?.rules = EgressRuleForm.identified(rules, old: old?.egress?.rules) }
    // Commands change these two; a manifest that does not mention them must not undo that.
    guard let kept = old?.lifecycle else { return }
    if lifecycle == nil { lifecycle = AgentLifecycle() }
    if lifecycle?.desired == nil { lifecycle?.desired = kept.desired }
    if lifecycle?.restartCount == nil { lifecycle?.restartCount = kept.restartCount }
    if lifecycle == AgentLifecycle() { lifecycle = nil }
  }

  /// A new agent has no network yet, and a start or a stop is no new decision.
  package static func changesDecisions(from old: Agent?, to new: Agent?) -> Bool {
    guard let old, let new else { return false }
    return old.spec.egress != new.spec.egress || old.spec.reasoning != new.spec.reasoning || old.metadata.labels != new.metadata.labels
      || old.spec.effectiveTemplateName != new.spec.effectiveTemplateName
  }
}

extension AgentTemplateSpec: ControlledSpec {
  package static var noun: String { "template" }
  package static var builtIn: [AgentTemplate] { BuiltinTemplates.all }
  package static var isOperatorsOnly: Bool { true }
  package func policyProblems() -> [FieldError] { EgressRuleForm.problems(egress?.rules, at: "spec.egress.rules") }

  package mutating func complete(from old: AgentTemplateSpec?) {
    if let rules = egress?.rules { egress?.rules = EgressRuleForm.identified(rules, old: old?.egress?.rules) }
  }

  package static func changesDecisions(from old: AgentTemplate?, to new: AgentTemplate?) -> Bool {
    old?.spec.egress != new?.spec.egress || old?.spec.reasoning != new?.spec.reasoning
  }
}

extension EgressPolicySpec: ControlledSpec {
  package static var noun: String { "egress policy" }
  package static var isOperatorsOnly: Bool { true }
  package static var component: AuditEvent.Component { .policy }
  package func policyProblems() -> [FieldError] { EgressRuleForm.problems(rules, at: "spec.rules") }
  package mutating func complete(from old: EgressPolicySpec?) {
    rules = EgressRuleForm.identified(rules, old: old?.rules)
  }

  package static func changesDecisions(from old: EgressPolicy?, to new: EgressPolicy?) -> Bool {
    old?.spec != new?.spec
  }
}

extension PeeringRuleSpec: ControlledSpec {
  package static var noun: String { "peering rule" }
  package static var component: AuditEvent.Component { .policy }
  package var writtenOwner: UserIdentity? {
    get { owner }
    set { owner = newValue }
  }
}

extension LLMBudgetSpec: ControlledSpec {
  package static var noun: String { "LLM budget" }
  package static var isOperatorsOnly: Bool { true }
  package static var component: AuditEvent.Component { .llm }
}

extension SecretBindingSpec: ControlledSpec {
  package static var noun: String { "secret" }
  package static var component: AuditEvent.Component { .secrets }
  package var writtenOwner: UserIdentity? {
    get { owner }
    set { owner = newValue }
  }
}

extension KillOrderSpec: ControlledSpec {
  package static var noun: String { "kill order" }
  package static var isOperatorsOnly: Bool { true }
  package static var component: AuditEvent.Component { .kill }
}
