package import Logging
package import PalanaAudit
import PalanaCore
package import PalanaKube
import PalanaPlan

/// Tells the API server of the webhooks and the policies, and puts back what others change about them. Only whoever leads does so.
package struct RegistrationKeeper: Sendable {
  private struct Registered: Sendable, Hashable {
    var resource: KubeResource
    var key: ObjectKey
  }

  private let client: KubeClient
  private let configuration: AdmissionConfiguration
  private let bundle: TrustBundle
  private let hasPolicies: Bool
  private let audit: any AuditSink
  private let logger: Logger
  private let queue = WorkQueue<Registered>()

  /// - Parameter hasPolicies: whether the cluster has `ValidatingAdmissionPolicy`, which came with Kubernetes 1.30.
  package init(
    _ client: KubeClient, _ configuration: AdmissionConfiguration, bundle: TrustBundle, hasPolicies: Bool, audit: any AuditSink,
    logger: Logger
  ) {
    self.client = client
    self.configuration = configuration
    self.bundle = bundle
    self.hasPolicies = hasPolicies
    self.audit = audit
    self.logger = logger
  }

  /// Runs until it is cancelled.
  package func run() async {
    let memory = RegistrationMemory()
    await withDiscardingTaskGroup { group in
      for resource in RegistrationKinds.webhooks + (hasPolicies ? RegistrationKinds.policy : []) {
        let informer = Informer(Watcher(client, resource, Selection(labels: "\(AgentLabels.managedBy)=\(AgentLabels.manager)"))) {
          $0.resourceVersion
        }
        group.addTask {
          await informer.run(
            onFailure: { error in
              logger.warning("a watch failed", metadata: ["resource": "\(resource)", "error": "\(error.message)"])
            }, onChange: { change in await queue.add(Registered(resource: resource, key: change.key)) })
        }
      }
      group.addTask {
        for await _ in bundle.changes() {
          for one in wanted { await queue.add(Registered(resource: one.resource, key: one.object.key)) }
        }
      }
      group.addTask { await queue.run(workers: 1) { one in await keep(one, memory) } }
    }
  }

  private var wanted: [(resource: KubeResource, object: KubeObject)] {
    guard let pem = bundle.pem else { return [] }
    let hooks = WebhookConfigurations(configuration: configuration, bundle: pem)
    return (hasPolicies ? AdmissionPolicies(configuration.parties).objects : [])
      + [(RegistrationKinds.mutating, hooks.mutating), (RegistrationKinds.validating, hooks.validating)]
  }

  private func keep(_ one: Registered, _ memory: RegistrationMemory) async -> WorkQueue<Registered>.Outcome {
    guard let wanted = wanted.first(where: { $0.resource == one.resource && $0.object.key == one.key })?.object else { return .done }
    do throws(KubeError) {
      let found = try await client.find(one.resource, one.key.name)
      let fields = found.map { Self.differences(wanted, $0) } ?? ["removed"]
      guard !fields.isEmpty else {
        memory.note(wanted, one.resource)
        return .done
      }
      let isRepair = memory.wasAsWanted(wanted, one.resource)
      if let found {
        _ = try await client.replace(one.resource, Self.merged(wanted, found))
      } else {
        _ = try await client.create(one.resource, wanted)
      }
      memory.note(wanted, one.resource)
      if isRepair { tell(one, fields) }
      return .done
    } catch {
      if error.kind != .conflict, error.kind != .alreadyExists {
        logger.warning(
          "admission could not be registered", metadata: ["object": "\(one.resource) \(one.key)", "error": "\(error.message)"])
      }
      return .failed(pause: error.retryAfter)
    }
  }

  private func tell(_ one: Registered, _ fields: [String]) {
    let fields = fields.joined(separator: ", ")
    logger.warning("repaired", metadata: ["object": "\(one.resource.kind) \(one.key)", "fields": "\(fields)"])
    let event = AuditEvent(
      time: configuration.clock.now(), component: .lifecycle, action: "repair", decision: .info, reason: "drift",
      details: ["kind": one.resource.kind, "name": one.key.name, "fields": fields])
    do throws(AuditUnavailable) { try audit.record(event) } catch {
      logger.error("an audit event was lost", metadata: ["action": "repair", "error": "\(error.why)"])
    }
  }

  private static let members = ["webhooks", "spec"]

  static func differences(_ wanted: KubeObject, _ actual: KubeObject) -> [String] {
    var paths = members.flatMap { Comparison.exactDifferences(wanted[$0], actual[$0], $0) }
    for (name, value) in wanted.labels where actual.labels[name] != value { paths.append("metadata.labels.\(name)") }
    return paths
  }

  static func merged(_ wanted: KubeObject, _ actual: KubeObject) -> KubeObject {
    var object = actual
    object.setMetadata("labels", .texts(actual.labels.merging(wanted.labels) { _, ours in ours }))
    object.setMetadata("managedFields", nil)
    for member in members { object[member] = wanted[member] }
    return object
  }
}
