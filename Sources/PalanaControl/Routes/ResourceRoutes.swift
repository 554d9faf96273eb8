import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// Resources of every kind.
enum ResourceRoutes {
  static func handlers(_ resources: ResourceService, _ agents: AgentService) -> RouteHandlers {
    var handlers: RouteHandlers = [:]
    read(AgentSpec.self, .listAgents, .getAgent, resources, &handlers)
    write(AgentSpec.self, .createAgent, .updateAgent, resources, &handlers)
    handlers[.deleteAgent] = { call in
      try call.answer(
        await agents.delete(call.name, purge: call.query.flag("purge"), owner: call.owner, by: call.caller))
    }
    read(AgentTemplateSpec.self, .listTemplates, .getTemplate, resources, &handlers)
    write(AgentTemplateSpec.self, .createTemplate, .updateTemplate, resources, &handlers)
    delete(AgentTemplateSpec.self, .deleteTemplate, resources, &handlers)
    read(EgressPolicySpec.self, .listPolicies, .getPolicy, resources, &handlers)
    write(EgressPolicySpec.self, .createPolicy, .updatePolicy, resources, &handlers)
    delete(EgressPolicySpec.self, .deletePolicy, resources, &handlers)
    read(PeeringRuleSpec.self, .listPeeringRules, .getPeeringRule, resources, &handlers)
    write(PeeringRuleSpec.self, .createPeeringRule, .updatePeeringRule, resources, &handlers)
    delete(PeeringRuleSpec.self, .deletePeeringRule, resources, &handlers)
    read(LLMBudgetSpec.self, .listBudgets, .getBudget, resources, &handlers)
    write(LLMBudgetSpec.self, .createBudget, .updateBudget, resources, &handlers)
    delete(LLMBudgetSpec.self, .deleteBudget, resources, &handlers)
    read(SecretBindingSpec.self, .listSecretBindings, .getSecretBinding, resources, &handlers)
    read(KillOrderSpec.self, .listKillOrders, .getKillOrder, resources, &handlers)
    handlers[.apply] = { call in
      let json = try await JSONBody.bytes(of: call.request, limit: call.limits.bodyBytes)
      switch try ManifestDecoder.decode(json: json) {
      case .agent(let resource):
        return try call.answer(await resources.apply(resource, owner: call.owner, by: call.caller))
      case .agentTemplate(let resource):
        return try call.answer(await resources.apply(resource, owner: call.owner, by: call.caller))
      case .egressPolicy(let resource):
        return try call.answer(await resources.apply(resource, owner: call.owner, by: call.caller))
      case .peeringRule(let resource):
        return try call.answer(await resources.apply(resource, owner: call.owner, by: call.caller))
      case .llmBudget(let resource):
        return try call.answer(await resources.apply(resource, owner: call.owner, by: call.caller))
      }
    }
    return handlers
  }

  private static func read<Spec: ControlledSpec>(
    _ kind: Spec.Type, _ list: Operation, _ get: Operation, _ resources: ResourceService,
    _ handlers: inout RouteHandlers
  ) {
    handlers[list] = { call in
      let owner = Spec.isOwned ? try call.owner : nil
      return try call.answer(
        ResourceList(try await resources.list(Spec.self, owner: owner, by: call.caller)))
    }
    handlers[get] = { call in
      let owner = Spec.isOwned ? try call.owner : nil
      return try call.answer(
        await resources.access.read(Spec.self, named: call.name, owner: owner, by: call.caller))
    }
  }

  private static func write<Spec: ControlledSpec>(
    _ kind: Spec.Type, _ create: Operation, _ update: Operation, _ resources: ResourceService,
    _ handlers: inout RouteHandlers
  ) {
    handlers[create] = { call in
      let owner = Spec.isOwned ? try call.owner : nil
      let resource = try await call.body(Resource<Spec>.self)
      return try call.answer(await resources.create(resource, owner: owner, by: call.caller))
    }
    handlers[update] = { call in
      let owner = Spec.isOwned ? try call.owner : nil
      let resource = try await call.body(Resource<Spec>.self)
      guard resource.metadata.name.text == (try call.name) else {
        throw PalanaError(.invalid, "metadata.name: differs from the name in the path")
      }
      return try call.answer(await resources.update(resource, owner: owner, by: call.caller))
    }
  }

  private static func delete<Spec: ControlledSpec>(
    _ kind: Spec.Type, _ operation: Operation, _ resources: ResourceService, _ handlers: inout RouteHandlers
  ) {
    handlers[operation] = { call in
      let owner = Spec.isOwned ? try call.owner : nil
      return try call.answer(
        await resources.delete(Spec.self, named: call.name, owner: owner, by: call.caller))
    }
  }
}
