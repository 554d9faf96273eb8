import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

/// What follows from an agent and everything around it, as a pure function of the copy.
struct AgentWish: Sendable {
  var plan: AgentPlan
  var run: AgentRun
  var restart: AgentLifecycle.Restart
  var isStopped: Bool
  var isKilled: Bool
  /// How the run that is over ended.
  var ending: AgentStatus.LastExit?

  /// - Throws: ``PassFailure/stalled(reason:message:again:)``.
  static func make(
    _ seen: SeenAgent, _ identity: SeenAgent.Identity, _ copy: ClusterCopy, _ workload: Kept?, _ platform: PlatformFacts
  ) throws(PassFailure) -> AgentWish {
    let agent: Agent
    switch seen.content {
    case .success(let read): agent = read
    case .failure(let error): throw .stalled(reason: "Invalid", message: error.message)
    }
    var template: AgentTemplate?
    if let name = agent.spec.effectiveTemplateName {
      template = copy.template(named: name)
      guard template != nil else { throw .stalled(reason: "TemplateMissing", message: "there is no template ‘\(name)’ that can be read") }
    }
    do throws(PalanaError) {
      let effective = try agent.spec.effective(template: template?.spec)
      let plan = try Planner.plan(
        agent: agent, template: template, bindings: copy.bindings(of: seen.key), allocation: nil, platform: platform)
      let orders = copy.orders(about: seen)
      let isKilled = !orders.isEmpty
      let isStopped = effective.desired == .stopped
      let ending = ending(effective, copy.pods(in: identity.namespace))
      var run = AgentRun(
        isWanted: !isStopped && !orders.contains(where: \.stops) && !agent.isIdle, isCut: isKilled, number: effective.restartCount,
        source: seen.key.description)
      run.isIdle = agent.isIdle && !isStopped
      let remembered = workload?.annotation(AgentLabels.endedRun).flatMap { Int($0) }
      if ending != nil || remembered == effective.restartCount { run.ended = effective.restartCount }
      if run.ended != nil { run.isWanted = false }
      for rule in copy.rules(about: seen.key) where rule.owner == identity.owner { add(rule, identity, &run) }
      return AgentWish(
        plan: plan, run: run, restart: effective.restart, isStopped: isStopped, isKilled: isKilled, ending: ending)
    } catch {
      throw .stalled(reason: "Invalid", message: error.description)
    }
  }

  /// A pod is started again whatever its process says; whether it may is decided here.
  private static func ending(_ spec: EffectiveAgentSpec, _ pods: [PodState]) -> AgentStatus.LastExit? {
    guard let pod = pods.first(where: { $0.run == spec.restartCount }), let exit = pod.lastExit else { return nil }
    return switch spec.restart {
    case .always: nil
    case .onFailure: exit.code == 0 ? exit : nil
    case .never: exit
    }
  }

  private static func add(_ rule: PeeringRuleSpec, _ identity: SeenAgent.Identity, _ run: inout AgentRun) {
    guard rule.problems().isEmpty else { return }
    let listens = rule.to == identity.name.text
    guard let name = try? ResourceName(listens ? rule.from : rule.to) else { return }
    let other = SeenAgent.Identity(owner: identity.owner, name: name)
    let peer = AgentRun.Peer(id: other.id, namespace: other.namespace, ports: rule.ports)
    if listens { run.incoming.append(peer) } else { run.outgoing.append(peer) }
  }
}
