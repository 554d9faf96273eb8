package import PalanaCore

/// An agent with every question answered: its own fields over those of its template over the defaults of the platform.
///
/// It is computed when it is needed and never written back, so that a stored manifest stays what its author wrote.
package struct EffectiveAgentSpec: Hashable, Sendable {
  /// The template that was merged in; nil: none.
  package var template: String?
  package var image: ImageReference
  /// Empty: the image's own entry point and command.
  package var command: [String]
  package var workingDirectory: String
  package var env: [String: String]
  package var cpu: CPUQuantity
  package var memory: ByteQuantity
  /// Processes and threads.
  package var pids: Int
  package var storage: ByteQuantity
  package var desired: AgentLifecycle.Desired
  package var restart: AgentLifecycle.Restart
  /// Nil: never stopped for idleness.
  package var idleAfter: TimeSpan?
  package var restartCount: Int
  package var ports: [AgentPort]
  package var trust: AgentTrust
  /// The template's rules, then the agent's own. Order has no meaning: deny wins.
  package var rules: [EgressRule]
  /// Names of the secrets that the agent expects.
  package var secrets: [String]
  /// Of the template; where the agent has its own command, only what that command names.
  package var requires: [RequiredProgram]
  /// Nil: no limits.
  package var reasoning: AgentReasoning?
}

extension AgentSpec {
  /// The name of the template that applies: the written one, or `shell` when neither template, image nor command says what to run.
  package var effectiveTemplateName: String? {
    if let template, !template.isEmpty { return template }
    return (image ?? "").isEmpty && (command ?? []).isEmpty ? BuiltinTemplates.defaultName : nil
  }

  /// Merges the agent over `template` over the platform's defaults. Pure.
  ///
  /// Defaults: image `host`, 2 processors, 2Gi of memory, 256 processes, 5Gi of storage, working directory `/data`, restart
  /// `OnFailure`, desired `Running`: who applies a manifest wants what it describes. `pcli create`, which only makes an agent,
  /// writes `desired: Stopped` into its spec. Whether an agent runs and how often it was restarted never comes from a template.
  /// - Parameter template: the spec of the template that ``effectiveTemplateName`` names; nil when that is nil.
  /// - Throws: ``PalanaError`` with code `invalid` when the image reference cannot be read.
  package func effective(template: AgentTemplateSpec?) throws(PalanaError) -> EffectiveAgentSpec {
    let image = Self.given(self.image) ?? Self.given(template?.image) ?? "host"
    let command = Self.given(self.command) ?? Self.given(template?.command) ?? []
    let resources = (self.resources, template?.resources)
    let lifecycle = (self.lifecycle, template?.lifecycle)
    let (cpu, memory, storage) = (try CPUQuantity("2"), try ByteQuantity("2Gi"), try ByteQuantity("5Gi"))
    return EffectiveAgentSpec(
      template: template == nil ? nil : effectiveTemplateName,
      image: try ImageReference(image),
      command: command,
      workingDirectory: workingDirectory ?? template?.workingDirectory ?? "/data",
      env: (template?.env ?? [:]).merging(env ?? [:]) { _, own in own },
      cpu: resources.0?.cpu ?? resources.1?.cpu ?? cpu,
      memory: resources.0?.memory ?? resources.1?.memory ?? memory,
      pids: resources.0?.pids ?? resources.1?.pids ?? 256,
      storage: resources.0?.storage ?? resources.1?.storage ?? storage,
      desired: lifecycle.0?.desired ?? .running,
      restart: lifecycle.0?.restart ?? lifecycle.1?.restart ?? .onFailure,
      idleAfter: lifecycle.0?.idleAfter ?? lifecycle.1?.idleAfter,
      restartCount: lifecycle.0?.restartCount ?? 0,
      ports: Self.merge(template?.ports ?? [], ports ?? []),
      trust: AgentTrust(profile: trust?.profile ?? "default", phase: trust?.phase ?? "shadow"),
      rules: (template?.egress?.rules ?? []) + (egress?.rules ?? []),
      secrets: (secrets ?? []).map(\.name),
      requires: (template?.requires ?? []).filter { Self.given(self.command) == nil || $0.name == command.first },
      reasoning: effectiveReasoning(template: template))
  }

  /// What the LLM gateway bounds a run by; nil: nothing.
  package func effectiveReasoning(template: AgentTemplateSpec?) -> AgentReasoning? {
    reasoning.map { $0.over(template?.reasoning) } ?? template?.reasoning
  }

  /// Empty counts as absent, as in the contract (`image: ""`).
  private static func given<Text: Collection>(_ value: Text?) -> Text? { value?.isEmpty == false ? value : nil }

  /// The template's ports, each replaced by the agent's own of the same name, then the agent's others.
  private static func merge(_ template: [AgentPort], _ own: [AgentPort]) -> [AgentPort] {
    let kept = template.map { port in own.first { $0.name == port.name } ?? port }
    return kept + own.filter { port in !template.contains { $0.name == port.name } }
  }
}
