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
  package var requires: [RequiredProgram]
}

extension AgentSpec {
  /// The name of the template that applies: the written one, or `shell` when neither template, image nor command says what to run.
  package var effectiveTemplateName: String? {
    if let template, !template.isEmpty { return template }
    return (image ?? "").isEmpty && (command ?? []).isEmpty ? BuiltinTemplates.defaultName : nil
  }

  /// Merges the agent over `template` over the platform's defaults. Pure.
  /// - Parameter template: the spec of the template that ``effectiveTemplateName`` names; nil when that is nil.
  /// - Throws: ``PalanaError`` with code `invalid` when the image reference cannot be read.
  package func effective(template: AgentTemplateSpec?) throws(PalanaError) -> EffectiveAgentSpec {
    throw PalanaError(.failed, "not built yet")
  }
}
