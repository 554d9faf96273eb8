import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaKube
import PalanaPlan
import PalanaSecrets

/// What became of an agent's rights in the secret store.
enum GrantState: Sendable, Hashable {
  /// It reads no secrets itself.
  case none
  case granted
  /// The rest of the agent goes on. `isLasting`: nothing helps but a change of something.
  case failed(reason: String, message: String, isLasting: Bool)

  static let missing = GrantState.failed(
    reason: "SecretStoreMissing", message: "the operator’s configuration names no secret store", isLasting: true)

  static func failure(_ error: PalanaError) -> GrantState {
    .failed(
      reason: error.code == .unreachable ? "SecretStoreUnavailable" : "SecretStoreRefuses", message: error.message, isLasting: false)
  }

  /// The condition `SecretsReadable`; nil: none.
  var condition: (isTrue: Bool, reason: String, message: String)? {
    switch self {
    case .none: nil
    case .granted: (true, "Granted", "")
    case .failed(let reason, let message, _): (false, reason, message)
    }
  }
}

extension SeenAgent {
  /// Whether its rights in the secret store are not as they should be, as far as its status tells.
  var waitsForSecretStore: Bool {
    status?.conditions?.contains { $0.type == AgentStatus.secretsReadable && $0.status != .isTrue } ?? false
  }
}

extension Reconciler {
  /// The policy and the role with which the agent reads its own secrets, while it has such and is not killed. Never in the way of
  /// another step.
  func grant(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    guard let wish = pass.wish, !wish.isKilled else { return .next }
    guard let store = configuration.grants else {
      pass.grant = wish.plan.readableSecrets.isEmpty ? GrantState.none : .missing
      return .next
    }
    do throws(PalanaError) {
      guard !wish.plan.readableSecrets.isEmpty else {
        let name = try AgentGrant.role(namespace: pass.identity.namespace)
        if store.mayHave(name, unknown: false) {
          _ = try await store.withdraw(name)
          tell(pass, "withdraw", [:])
        }
        pass.grant = GrantState.none
        return .next
      }
      // The role is for a namespace. While nobody has that, whoever made it first could log in; its making brings the next look.
      guard writer.current(.init(kind: .namespace, key: ObjectKey(name: pass.identity.namespace))) != nil else { return .next }
      let wanted = try AgentGrant(
        owner: pass.identity.owner, agent: pass.identity.name, namespace: pass.identity.namespace,
        serviceAccount: KubernetesRenderer.Name.agent, audience: store.audience, secrets: wish.plan.readableSecrets)
      let names = wish.plan.readableSecrets.joined(separator: ", ")
      switch try await store.ensure(wanted) {
      case .same: break
      case .given: tell(pass, "grant", ["secrets": names])
      case .changed(let fields): tell(pass, "grant", ["secrets": names, "fields": fields.joined(separator: ", ")])
      case .repaired(let fields):
        let text = fields.joined(separator: ", ")
        tell(pass, "repair", reason: "drift", ["kind": "role and policy of the secret store", "name": wanted.name, "fields": text])
        await events.record(
          pass.seen, .warning, reason: "Repaired", "its rights in the secret store, ‘\(wanted.name)’, had been changed: \(text)")
      }
      pass.grant = .granted
    } catch {
      pass.grant = .failure(error)
    }
    return .next
  }

  /// Takes away what a killed agent may read of the secret store, also with tokens that it has. Needs no plan.
  ///
  /// - Returns: when that was first so; now where there is nothing to take away.
  func withdrawGrant(_ identity: SeenAgent.Identity) async throws(PalanaError) -> Timestamp {
    guard let store = configuration.grants else { return configuration.clock.now() }
    return try await store.withdraw(try AgentGrant.role(namespace: identity.namespace))
  }

  /// Whether the store has nothing of the agent, as far as is known.
  func isGrantWithdrawn(_ identity: SeenAgent.Identity) -> Bool {
    guard let store = configuration.grants, let name = try? AgentGrant.role(namespace: identity.namespace) else { return true }
    return !store.mayHave(name, unknown: true)
  }

  /// The same for whom it is only part of a kill.
  func cutGrant(_ seen: SeenAgent) async -> GrantState? {
    guard let identity = seen.identity else { return nil }
    do throws(PalanaError) { _ = try await withdrawGrant(identity) } catch { return .failure(error) }
    return GrantState.none
  }

  /// As a step of a deletion. Whether it was done decides at the end, so that a store that is away does not keep what runs alive.
  func withdrawGrant(_ pass: inout Pass) async throws(PassFailure) -> Verdict {
    do throws(PalanaError) {
      _ = try await withdrawGrant(pass.identity)
      pass.grant = GrantState.none
    } catch {
      pass.grant = .failure(error)
    }
    return .next
  }

  /// Whether a deletion has to wait for the store: something of the agent may still be there.
  func isHeldByGrant(_ pass: Pass) -> PassFailure? {
    guard let store = configuration.grants, case .failed(let reason, let message, _)? = pass.grant else { return nil }
    let wasSaid = pass.seen.status?.conditions?.contains { $0.type == AgentStatus.secretsReadable } ?? false
    guard let name = try? AgentGrant.role(namespace: pass.identity.namespace), store.mayHave(name, unknown: wasSaid) else { return nil }
    return .failed(KubeError(.unreachable, reason: reason, message))
  }

  private func tell(_ pass: Pass, _ action: String, reason: String? = nil, _ details: [String: String]) {
    record(pass, action, component: .secrets, reason: reason, details)
  }
}
