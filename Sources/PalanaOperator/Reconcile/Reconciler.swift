import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaKube
import PalanaPlan

/// Brings what the cluster has for one agent to what is wanted: a fixed beginning, an array of steps, one writer of the status.
struct Reconciler: Sendable {
  let configuration: OperatorConfiguration
  let copy: ClusterCopy
  let memory: WriteMemory
  let ledger: CutLedger
  let cluster: any ClusterWriting
  let audit: any AuditSink
  let events: EventRecorder
  let logger: Logger

  var writer: ObjectWriter { ObjectWriter(cluster: cluster, copy: copy, memory: memory, seal: seal) }
  var seal: PolicySeal { PolicySeal(key: configuration.proxyToken) }

  /// One look. Never throws: a failure becomes the agent's status, and a later look.
  func reconcile(_ key: ObjectKey) async -> WorkQueue<ObjectKey>.Outcome {
    guard let seen = copy.agents[key] else { return .done }
    if seen.isDeleting, !seen.finalizers.contains(OperatorName.finalizer) { return .done }
    // Before everything else, whatever state the agent is in: who may write it must not be able to put this off.
    let orders = copy.orders(about: seen)
    var grant: GrantState?
    if !orders.isEmpty {
      do throws(KubeError) { try await cut(seen, orders) } catch { return .failed(pause: error.retryAfter) }
      grant = await cutGrant(seen)
      if case .failed(_, let message, _)? = grant { ledger.note(seen.key, [.credentials: message]) }
    }
    let outcome = await look(seen, grant)
    // What is still to be taken away comes again, whatever else was to be said of the agent.
    if case .failed? = grant { return .failed(pause: nil) }
    return outcome
  }

  private func look(_ seen: SeenAgent, _ grant: GrantState?) async -> WorkQueue<ObjectKey>.Outcome {
    guard !seen.isPaused else {
      return await finish(seen, nil, .stalled(reason: "Paused", message: "palana.dev/paused: nothing is changed or repaired"))
    }
    guard let identity = seen.identity else { return await withoutIdentity(seen) }
    var pass = Pass(seen: seen, identity: identity)
    pass.grant = grant
    for step in seen.isDeleting ? deletion : life {
      do throws(PassFailure) {
        guard case .next = try await step.run(&pass) else { return .done }
      } catch {
        logger.debug("step", metadata: ["agent": "\(seen.key)", "step": "\(step.name)", "failure": "\(error)"])
        return await finish(seen, pass, error)
      }
    }
    return await finish(seen, pass, nil)
  }

  /// Nothing was ever made for an agent of nobody.
  private func withoutIdentity(_ seen: SeenAgent) async -> WorkQueue<ObjectKey>.Outcome {
    if seen.isDeleting {
      do throws(KubeError) { try await release(seen) } catch { return .failed(pause: error.retryAfter) }
      return .done
    }
    return await finish(seen, nil, .stalled(reason: "Invalid", message: "spec.owner: required, whose agent it is"))
  }

  private func finish(_ seen: SeenAgent, _ pass: Pass?, _ failure: PassFailure?) async -> WorkQueue<ObjectKey>.Outcome {
    if let pass { await tell(pass) }
    // Somebody was faster; the next look sees what they did.
    if case .failed(let error)? = failure, error.kind == .conflict { return .failed(pause: nil) }
    do throws(KubeError) {
      if !seen.isDeleting || failure != nil { try await writeStatus(seen, pass, failure) }
    } catch {
      // The agent may be gone, or have changed: then somebody tells.
      guard error.kind == .notFound || error.kind == .conflict else { return .failed(pause: error.retryAfter) }
    }
    switch failure {
    case nil, .stalled(_, _, nil)?:
      guard let grant = pass?.grant, case .failed(_, let message, isLasting: false) = grant else { return .done }
      logger.warning(
        "an agent’s rights in the secret store are not as they should be", metadata: ["agent": "\(seen.key)", "error": "\(message)"])
      return .failed(pause: nil)
    case .stalled(_, _, let pause?)?: return .again(after: pause)
    case .waiting(_, _, let pause)?: return .again(after: pause)
    case .failed(let error)?:
      logger.warning("an agent could not be reconciled", metadata: ["agent": "\(seen.key)", "error": "\(error.message)"])
      return .failed(pause: error.retryAfter)
    }
  }

  // MARK: What everybody may know

  func tell(_ pass: Pass) async {
    for repair in pass.repairs {
      let fields = repair.fields.joined(separator: ", ")
      let by = repair.by.isEmpty ? "" : " by \(repair.by)"
      logger.warning(
        "repaired",
        metadata: [
          "agent": "\(pass.seen.key)", "object": "\(repair.member.kind.rawValue) \(repair.member.key)", "fields": "\(fields)",
          "changedBy": "\(repair.by)",
        ])
      var details = [
        "kind": repair.member.kind.rawValue, "name": repair.member.key.name, "namespace": pass.identity.namespace, "fields": fields,
      ]
      if !repair.by.isEmpty { details["changedBy"] = repair.by }
      record(pass, "repair", reason: "drift", details)
      await events.record(
        pass.seen, .warning, reason: "Repaired",
        "\(repair.member.kind.rawValue) ‘\(repair.member.key.name)’ had been changed\(by): \(fields)")
    }
  }

  func record(
    _ pass: Pass, _ action: String, component: AuditEvent.Component = .lifecycle, reason: String? = nil, _ details: [String: String] = [:]
  ) {
    let event = AuditEvent(
      time: configuration.clock.now(), component: component, action: action, decision: .info, reason: reason,
      agent: AuditEvent.AgentRef(id: pass.identity.id, name: pass.identity.name.text, owner: pass.identity.owner), details: details)
    do throws(AuditUnavailable) { try audit.record(event) } catch {
      // A boundary that stays open because its repair cannot be written down would be the worse of the two.
      logger.error("an audit event was lost", metadata: ["action": "\(action)", "error": "\(error.why)"])
    }
  }
}
