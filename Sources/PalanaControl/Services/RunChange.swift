import PalanaAPI
import PalanaControlAPI
import PalanaCore
import Synchronization

/// What a run request makes of an agent. Pure.
enum RunChange {
  /// The agent of a run request whose name is free.
  static func newAgent(_ name: ResourceName, owner: UserIdentity, _ request: RunRequest) -> Agent {
    var spec = AgentSpec(owner: owner, lifecycle: AgentLifecycle(desired: .running))
    _ = apply(request, to: &spec)
    return Agent(metadata: ObjectMeta(name: name), spec: spec)
  }

  /// Replaces what the request speaks of.
  ///
  /// - Returns: whether anything is different now.
  static func apply(_ request: RunRequest, to spec: inout AgentSpec) -> Bool {
    let old = spec
    if let template = request.template { spec.template = template }
    if let image = request.image { spec.image = image }
    if let command = request.command { spec.command = command }
    if let env = request.env, !env.isEmpty { spec.env = (spec.env ?? [:]).merging(env) { _, new in new } }
    if let ports = request.ports { spec.ports = ports }
    if let wanted = request.resources {
      var resources = spec.resources ?? AgentResources()
      if let cpu = wanted.cpu { resources.cpu = cpu }
      if let memory = wanted.memory { resources.memory = memory }
      if let pids = wanted.pids { resources.pids = pids }
      if let storage = wanted.storage { resources.storage = storage }
      spec.resources = resources
    }
    if request.restart != nil || request.idleAfter != nil {
      var lifecycle = spec.lifecycle ?? AgentLifecycle()
      if let restart = request.restart { lifecycle.restart = restart }
      if let idleAfter = request.idleAfter { lifecycle.idleAfter = idleAfter }
      spec.lifecycle = lifecycle
    }
    return spec != old
  }
}

/// What the last try of a read-change-write did.
final class SharedAction: Sendable {
  private let action = Mutex(RunResult.Action.unchanged)
  func set(_ new: RunResult.Action) { action.withLock { $0 = new } }
  var value: RunResult.Action { action.withLock { $0 } }
}
