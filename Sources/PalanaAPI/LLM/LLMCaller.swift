package import PalanaCore

/// Whose call of a model it is, as the network says.
package struct LLMCaller: Hashable, Sendable {
  package var id: AgentID
  package var name: String
  /// Raw identity.
  package var owner: UserIdentity
  /// The template that the agent is made from; nil: none.
  package var template: String?

  package init(id: AgentID, name: String, owner: UserIdentity, template: String?) {
    self.id = id
    self.name = name
    self.owner = owner
    self.template = template
  }
}
