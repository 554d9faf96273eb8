import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan

extension Reconciler {
  /// The steps for an agent that is to be there.
  ///
  /// What is there and not wanted goes before anything is added, and a change that takes rights away comes in the same look as it.
  var life: [Step] {
    [
      Step(name: "finalizer", run: hold), Step(name: "wish", run: wish), Step(name: "claim", run: claim),
      Step(name: "prune", run: prune), Step(name: "grant", run: grant), Step(name: "apply", run: apply),
    ]
  }

  /// First of all: what is made must be taken away again one day.
  private func hold(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    guard !pass.seen.finalizers.contains(OperatorName.finalizer) else { return .next }
    do throws(KubeError) {
      try await setFinalizers(pass.seen, pass.seen.finalizers + [OperatorName.finalizer])
    } catch {
      throw .failed(error)
    }
    // The change comes back as an event, and the pass begins with the agent as it is then.
    return .done
  }

  private func wish(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    do throws(PassFailure) { try plan(&pass) } catch {
      try await holdShut(&pass)
      throw error
    }
    return .next
  }

  private func plan(_ pass: inout Pass) throws(PassFailure) {
    let namespace = pass.identity.namespace
    let workload = writer.current(.init(kind: .statefulSet, key: ObjectKey(namespace: namespace, name: KubernetesRenderer.Name.agent)))
    let wish = try AgentWish.make(pass.seen, pass.identity, copy, workload, configuration.platform)
    let renderer = KubernetesRenderer(wish.plan, wish.run, configuration.cluster)
    do throws(PalanaError) {
      var manifests = try renderer.manifests()
      if !wish.isKilled {
        let secret = renderer.proxyToken(configuration.proxyToken(wish.plan.uid))
        let place = manifests.firstIndex { $0.kind > .secret } ?? manifests.endIndex
        manifests.insert(secret.reveal(), at: place)
      }
      pass.manifests = manifests.filter { copy.objects[$0.kind] != nil }
    } catch {
      throw .stalled(reason: "Invalid", message: error.description)
    }
    pass.wish = wish
  }

  /// Whether the namespace is this agent's, before anything is written into it.
  private func claim(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    let member = ClusterCopy.Member(kind: .namespace, key: ObjectKey(name: pass.identity.namespace))
    var found = writer.current(member)
    if found == nil {
      // The watch shows only those with our labels.
      do throws(KubeError) {
        found = try await cluster.find(KubernetesManifest.Kind.namespace.resource, member.key.name, in: nil).map { Kept(.namespace, $0) }
      } catch {
        throw .failed(error)
      }
    }
    guard let found else { return .next }
    guard isOwn(found, pass) else {
      throw .stalled(
        reason: "NamespaceTaken", message: "the namespace ‘\(member.key.name)’ exists and is not this agent’s", again: .seconds(30))
    }
    guard !found.isDeleting else {
      throw .waiting(
        reason: "Terminating", message: "the namespace ‘\(member.key.name)’ of an earlier agent is being deleted", .seconds(1))
    }
    return .next
  }

  /// Its own, or that of an agent of the same owner and name that is no more: then it has that one's data.
  func isOwn(_ namespace: Kept, _ pass: Pass) -> Bool {
    guard let uid = namespace.annotation(AgentLabels.agentUID) else {
      return memory.matched(.init(kind: .namespace, key: namespace.key)) != nil
    }
    if uid == pass.seen.uid { return true }
    guard namespace.annotation(AgentLabels.owner) == pass.identity.owner.raw,
      namespace.object["metadata"]?["labels"]?[AgentLabels.agentID]?.string == pass.identity.id.text
    else { return false }
    return !copy.agents.all.values.contains { $0.uid == uid }
  }

  /// What is there and not wanted any more. Policies that are not ours as well: each one can only open something.
  private func prune(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    let wanted = Set(
      pass.manifests.map { ClusterCopy.Member(kind: $0.kind, key: ObjectKey(namespace: $0.namespace ?? "", name: $0.name)) })
    let extra = copy.members(of: pass.identity.namespace).subtracting(wanted).filter {
      $0.kind != .namespace && $0.kind != .persistentVolumeClaim
    }
    for member in extra.sorted(by: { ($0.kind, $0.key) < ($1.kind, $1.key) }) {
      guard let object = writer.current(member), !object.isDeleting else { continue }
      do throws(KubeError) { try await writer.remove(object) } catch { throw .failed(error) }
      if !object.isOurs { pass.repairs.append(Pass.Repair(member: member, fields: ["not the operator’s"], by: object.changedBy)) }
      memory.forget([member])
    }
    return .next
  }

  func apply(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    for manifest in pass.manifests {
      do throws(KubeError) {
        let outcome = try await writer.ensure(manifest)
        if case .repaired(let fields, let by) = outcome {
          let key = ObjectKey(namespace: manifest.namespace ?? "", name: manifest.name)
          pass.repairs.append(Pass.Repair(member: .init(kind: manifest.kind, key: key), fields: fields, by: by))
        }
      } catch {
        if error.kind == .forbidden, error.message.contains("exceeded quota") { try await recount(pass) }
        // Storage grows only where its class lets it, and never shrinks; the agent runs with what it has.
        guard manifest.kind == .persistentVolumeClaim, error.kind == .invalid || error.kind == .forbidden else { throw .failed(error) }
        pass.storageProblem = error.message
      }
    }
    return .next
  }

  /// A quota also counts requests that never came to their end, as those of an operator that was killed, until the server counts anew
  /// after minutes. One that is made anew is counted at once.
  private func recount(_ pass: Pass) async throws(PassFailure) {
    let member = ClusterCopy.Member(
      kind: .resourceQuota, key: ObjectKey(namespace: pass.identity.namespace, name: KubernetesRenderer.Name.agent))
    guard let quota = writer.current(member) else { return }
    do throws(KubeError) { try await writer.remove(quota) } catch { throw .failed(error) }
    memory.forget([member])
    throw .failed(KubeError(.conflict, "the quota is counted anew"))
  }
}
