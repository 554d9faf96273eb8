import PalanaAPI
import PalanaCore
import PalanaKube
import PalanaPlan
import PalanaSecrets

extension Reconciler {
  /// The steps for an agent that is to go: first what runs, at the end what held it in, and its data only if that was said.
  var deletion: [Step] {
    [
      Step(name: "own", run: own), Step(name: "stop", run: stop), Step(name: "grant", run: withdrawGrant),
      Step(name: "remove", run: remove), Step(name: "data", run: data),
      Step(name: "release", run: letGo),
    ]
  }

  /// Of two agents that claim to be the same, the one that has nothing leaves nothing behind.
  private func own(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    let member = ClusterCopy.Member(kind: .namespace, key: ObjectKey(name: pass.identity.namespace))
    if let found = writer.current(member), found.annotation(AgentLabels.agentUID).map({ $0 != pass.seen.uid }) ?? false {
      do throws(KubeError) { try await release(pass.seen) } catch { throw .failed(error) }
      return .done
    }
    return .next
  }

  private func members(_ pass: Pass, where isMeant: (KubernetesManifest.Kind) -> Bool) -> [Kept] {
    copy.members(of: pass.identity.namespace).filter { isMeant($0.kind) }
      .sorted { ($1.kind, $1.key) < ($0.kind, $0.key) }.compactMap(writer.current)
  }

  private func stop(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    try await removeAll(members(pass) { $0 == .statefulSet || $0 == .ingress || $0 == .httpRoute })
    guard copy.pods(in: pass.identity.namespace).isEmpty, members(pass, where: { $0 == .statefulSet }).isEmpty else {
      throw .waiting(reason: "Stopping", message: "its process has not ended yet", .seconds(1))
    }
    return .next
  }

  /// The policy that denies everything goes last.
  private func remove(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    let rest = members(pass) { $0 != .namespace && $0 != .persistentVolumeClaim }
    try await removeAll(rest.filter { $0.key.name != KubernetesRenderer.Name.defaultDeny })
    try await removeAll(rest.filter { $0.key.name == KubernetesRenderer.Name.defaultDeny })
    guard rest.isEmpty else { throw .waiting(reason: "Removing", message: "its objects are being deleted", .milliseconds(500)) }
    return .next
  }

  /// Without data the namespace goes too. With data it stays, closed, until an agent of this owner and name comes back or somebody purges.
  private func data(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    let hasData = !members(pass) { $0 == .persistentVolumeClaim }.isEmpty
    guard pass.seen.isPurged || !hasData else { return .next }
    let member = ClusterCopy.Member(kind: .namespace, key: ObjectKey(name: pass.identity.namespace))
    guard let namespace = writer.current(member) else { return .next }
    try await removeAll([namespace])
    throw .waiting(reason: "Removing", message: "its namespace is being deleted", .seconds(1))
  }

  private func letGo(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    if let failure = isHeldByGrant(pass) { throw failure }
    do throws(KubeError) { try await release(pass.seen) } catch { throw .failed(error) }
    if let name = try? AgentGrant.role(namespace: pass.identity.namespace) { configuration.grants?.forget(name) }
    record(pass, "delete", ["purged": "\(pass.seen.isPurged)"])
    memory.forget(copy.members(of: pass.identity.namespace))
    return .done
  }

  private func removeAll(_ objects: [Kept]) async throws(PassFailure) {
    for object in objects {
      do throws(KubeError) { try await writer.remove(object) } catch { throw .failed(error) }
    }
  }

  // MARK: The finalizer

  func release(_ seen: SeenAgent) async throws(KubeError) {
    do throws(KubeError) {
      try await setFinalizers(seen, seen.finalizers.filter { $0 != OperatorName.finalizer })
    } catch {
      guard error.kind == .notFound else { throw error }
    }
  }

  func setFinalizers(_ seen: SeenAgent, _ names: [String]) async throws(KubeError) {
    // With its version: another one's finalizer must not be lost.
    _ = try await cluster.merge(
      ClusterKinds.agents, seen.key,
      [
        "metadata": [
          "uid": .string(seen.uid), "resourceVersion": .string(seen.resourceVersion), "finalizers": .array(names.map(JSONValue.string)),
        ]
      ])
  }
}
