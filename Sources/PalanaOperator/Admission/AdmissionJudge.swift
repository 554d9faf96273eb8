import PalanaAPI
package import PalanaCore
package import PalanaKube
import PalanaPlan

/// Answers the questions of the API server: which judge a request belongs to, and nothing else. Whatever nobody judges is refused.
package struct AdmissionJudge: Sendable {
  /// The two kinds of webhooks; the raw value is their path.
  package enum Phase: String, Sendable, CaseIterable {
    case mutate
    case validate
  }

  /// Whose agent a namespace is; nil: nobody's. Throws when nobody can tell.
  package typealias NamespaceOwner = @Sendable (String) async throws(KubeError) -> UserIdentity?

  private let configuration: AdmissionConfiguration
  private let registry: AgentRegistry
  private let namespaceOwner: NamespaceOwner

  package init(_ configuration: AdmissionConfiguration, registry: AgentRegistry, namespaceOwner: @escaping NamespaceOwner) {
    self.configuration = configuration
    self.registry = registry
    self.namespaceOwner = namespaceOwner
  }

  /// Asks the cluster for the annotation of the namespace.
  package static func owner(_ client: KubeClient) -> NamespaceOwner {
    { name throws(KubeError) in
      let namespace = try await client.find(KubernetesManifest.Kind.namespace.resource, name, in: nil)
      guard let namespace, namespace.labels[AgentLabels.agentID] != nil else { return nil }
      return namespace.annotations[AgentLabels.owner].flatMap { try? UserIdentity($0) }
    }
  }

  package func answer(_ request: AdmissionRequest, _ phase: Phase) async -> AdmissionAnswer {
    do throws(AdmissionRefusal) {
      switch phase {
      case .mutate:
        guard let object = request.object, let completed = try completed(request) else { return .allowed }
        return .changed(JSONPatch.operations(from: object, to: completed))
      case .validate:
        try await check(request)
        return .allowed
      }
    } catch {
      return .refused(error)
    }
  }

  private var owned: OwnedJudge {
    OwnedJudge(
      parties: configuration.parties, registry: registry, agentsPerOwner: configuration.agentsPerOwner, images: configuration.images)
  }
  private var platform: PlatformKindsJudge { PlatformKindsJudge(parties: configuration.parties) }
  private var pods: PodJudge {
    PodJudge(
      parties: configuration.parties,
      rules: PodRules(images: configuration.images, hasUserNamespaces: configuration.hasUserNamespaces))
  }

  private func completed(_ request: AdmissionRequest) throws(AdmissionRefusal) -> JSONValue? {
    switch (request.group, request.resource, request.subresource) {
    case ("", "pods", ""):
      let defaults = PodDefaults(
        userID: configuration.userID, hasUserNamespaces: configuration.hasUserNamespaces, platform: configuration.platform)
      return request.operation == .create ? request.object.map(defaults.completed) : request.object
    case (CustomResourceDefinition.group, AgentSpec.plural, ""), (CustomResourceDefinition.group, PeeringRuleSpec.plural, ""):
      return owned.completed(request)
    case (CustomResourceDefinition.group, KillOrderSpec.plural, ""):
      return platform.completed(request, now: configuration.clock.now())
    default: throw Self.unknown(request)
    }
  }

  private func check(_ request: AdmissionRequest) async throws(AdmissionRefusal) {
    switch (request.group, request.resource, request.subresource) {
    case ("", "pods", ""), ("", "pods", "ephemeralcontainers"), ("", "pods", "resize"): try pods.check(request)
    case ("", "pods", "exec"), ("", "pods", "attach"), ("", "pods", "portforward"), ("", "pods", "proxy"):
      try await checkEntry(request)
    case ("", "namespaces", ""): try NamespaceJudge(parties: configuration.parties).check(request)
    case (CustomResourceDefinition.group, AgentSpec.plural, ""): try owned.check(request, as: Agent.self)
    case (CustomResourceDefinition.group, PeeringRuleSpec.plural, ""): try owned.check(request, as: PeeringRule.self)
    case (CustomResourceDefinition.group, SecretBindingSpec.plural, ""): try platform.check(request, as: SecretBinding.self)
    case (CustomResourceDefinition.group, EgressPolicySpec.plural, ""): try platform.check(request, as: EgressPolicy.self)
    case (CustomResourceDefinition.group, LLMBudgetSpec.plural, ""): try platform.check(request, as: LLMBudget.self)
    case (CustomResourceDefinition.group, AgentTemplateSpec.plural, ""): try platform.check(request, as: AgentTemplate.self)
    case (CustomResourceDefinition.group, KillOrderSpec.plural, ""): try platform.checkOrder(request)
    default: throw Self.unknown(request)
    }
  }

  private static func unknown(_ request: AdmissionRequest) -> AdmissionRefusal {
    let name = [request.resource, request.subresource].filter { !$0.isEmpty }.joined(separator: "/")
    return .forbidden("nothing is decided here about \(name.prefix(200))")
  }

  /// Who gets into an agent: its owner, administrators, and the control API, which has asked who they are.
  private func checkEntry(_ request: AdmissionRequest) async throws(AdmissionRefusal) {
    switch configuration.parties.role(of: request.requester) {
    case .administrator, .control, .engine: return
    case .reaper, .person: break
    }
    let owner: UserIdentity?
    do throws(KubeError) { owner = try await namespaceOwner(request.namespace) } catch {
      throw .unavailable("whose agent this is cannot be told: \(error.message)")
    }
    guard let owner, ExactText.isSame(owner.raw, request.requester.user) else {
      throw .forbidden("pods/\(request.subresource): only the agent’s owner and platform administrators come in")
    }
  }
}
