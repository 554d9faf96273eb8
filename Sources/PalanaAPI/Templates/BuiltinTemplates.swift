import PalanaCore

/// The templates that every installation has. An `AgentTemplate` of the same name in the store wins over the built-in one.
package enum BuiltinTemplates {
  /// The template of an agent that says nothing about what to run.
  package static let defaultName = "shell"

  /// By name.
  package static let all: [AgentTemplate] = []

  package static func named(_ name: String) -> AgentTemplate? { all.first { $0.metadata.name.text == name } }
}
