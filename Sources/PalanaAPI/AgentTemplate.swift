/// A named starting point for agents: an image, a command, limits, ports.
package typealias AgentTemplate = Resource<AgentTemplateSpec>

package struct AgentTemplateSpec: ResourceSpec {
  package typealias Status = NoStatus
  package static var kind: String { "AgentTemplate" }
  package static var plural: String { "agenttemplates" }
  package static var isOwned: Bool { false }

  /// One sentence for `pcli templates list`.
  package var description: String?
  package var image: String?
  package var command: [String]?
  package var workingDirectory: String?
  package var env: [String: String]?
  package var resources: AgentResources?
  package var lifecycle: AgentLifecycle?
  package var ports: [AgentPort]?
  package var egress: AgentEgress?
  package var reasoning: AgentReasoning?
  /// Programs that must be on the sandbox's `PATH`, checked before a start.
  package var requires: [RequiredProgram]?

  package init(
    description: String? = nil, image: String? = nil, command: [String]? = nil, workingDirectory: String? = nil,
    env: [String: String]? = nil, resources: AgentResources? = nil, lifecycle: AgentLifecycle? = nil,
    ports: [AgentPort]? = nil, egress: AgentEgress? = nil, reasoning: AgentReasoning? = nil, requires: [RequiredProgram]? = nil
  ) {
    self.description = description
    self.image = image
    self.command = command
    self.workingDirectory = workingDirectory
    self.env = env
    self.resources = resources
    self.lifecycle = lifecycle
    self.ports = ports
    self.egress = egress
    self.reasoning = reasoning
    self.requires = requires
  }
}

/// A program without which a template cannot start, and how to provide it.
package struct RequiredProgram: Codable, Hashable, Sendable {
  package var name: String
  /// A sentence that says how to install it or which image has it.
  package var hint: String

  package init(name: String, hint: String) {
    self.name = name
    self.hint = hint
  }
}
