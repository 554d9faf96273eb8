package import PalanaAPI
package import PalanaCore

/// From what is wanted of an agent to what an engine applies. Pure: no clock, no file, no secret.
package enum Planner {
  /// Seconds between TERM and KILL.
  static let graceSeconds = 10

  /// - Parameters:
  ///   - agent: stored, so with an owner and a uid.
  ///   - template: the one that `agent.spec.effectiveTemplateName` names; nil when that is nil.
  ///   - bindings: secrets; those of other agents and owners are ignored.
  ///   - allocation: where it stands on this machine; nil in a cluster.
  /// - Throws: ``PalanaError`` with code `invalid` that names what is missing or wrong.
  package static func plan(
    agent: Agent, template: AgentTemplate?, bindings: [SecretBinding], allocation: Allocation?, platform: PlatformFacts
  ) throws(PalanaError) -> AgentPlan {
    let name = agent.metadata.name
    guard let owner = agent.spec.owner else {
      throw PalanaError(.invalid, "agent ‘\(name)’ has no owner", hint: "the server sets it when the agent is created")
    }
    let effective = try agent.spec.effective(template: template?.spec)
    let rootfs = AgentPlan.RootFS(effective.image)
    guard rootfs != .host || !effective.command.isEmpty else {
      throw PalanaError(
        .invalid, "agent ‘\(name)’ has no command",
        hint: "the image ‘host’ has no command of its own: give one, or a template or an image that has one")
    }
    let own = bindings.filter { $0.spec.agent == name.text && $0.spec.owner == owner }
      .sorted { $0.spec.secret < $1.spec.secret }
    let environment = AgentEnvironment(agent: name, owner: owner, platform: platform)
    return AgentPlan(
      id: AgentID(owner: owner, name: name), name: name, owner: owner, uid: agent.metadata.uid ?? "", rootfs: rootfs,
      process: AgentPlan.Process(
        args: effective.command, workingDirectory: workingDirectory(agent, template, rootfs),
        env: environment.variables(written: effective.env, bindings: own)),
      limits: AgentPlan.Limits(
        cpuMilli: effective.cpu.milli, memoryBytes: effective.memory.bytes, pids: effective.pids,
        storageBytes: effective.storage.bytes),
      machine: try allocation.map { allocation throws(PalanaError) in try place(allocation, platform) },
      restart: effective.restart, graceSeconds: graceSeconds,
      readableSecrets: own.filter { $0.spec.access == .agentReadable }.map(\.spec.secret),
      requires: effective.requires, ports: effective.ports)
  }

  private static func place(_ allocation: Allocation, _ platform: PlatformFacts) throws(PalanaError) -> AgentPlan.Machine {
    guard case .address(let gateway) = platform.gateway else {
      throw PalanaError(.invalid, "the gateway of a machine has an address, not the name ‘\(platform.gateway.text)’")
    }
    return AgentPlan.Machine(
      network: AgentPlan.Network(
        address: allocation.address, gateway: gateway,
        gatewayPorts: [platform.proxyPort] + (platform.llm.map { [$0.port] } ?? []), prefix: platform.prefix),
      idBase: allocation.idBase)
  }

  /// Empty: the image's own. The machine's view has none, there it is the agent's home.
  private static func workingDirectory(
    _ agent: Agent, _ template: AgentTemplate?, _ rootfs: AgentPlan.RootFS
  ) -> String {
    for written in [agent.spec.workingDirectory, template?.spec.workingDirectory] {
      if let written, !written.isEmpty { return written }
    }
    return rootfs == .host ? AgentEnvironment.home : ""
  }
}

extension AgentPlan.RootFS {
  /// The plan's form of an image reference.
  init(_ reference: ImageReference) {
    self = reference == .host ? .host : .image(reference.description)
  }
}
