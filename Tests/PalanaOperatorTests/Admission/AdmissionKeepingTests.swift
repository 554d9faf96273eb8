import KubeTestServer
import Logging
import PalanaAPI
import PalanaAudit
import PalanaCore
import PalanaKube
import PalanaPlan
import Synchronization
import Testing
import X509

@testable import PalanaOperator

extension AdmissionTests {
  /// Time goes on in large steps while people work: no request fails, and at the end everything that was first is replaced.
  @Test func certificatesChangeWhileRequestsGoOn() async throws {
    // All of it lies in the past and reaches into the present, as the API server looks at its own clock.
    let start = WallClock.system.now() - .seconds(90 * 86_400)
    let time = SteppedTime(start)
    try await AdmissionBench.run(interval: .milliseconds(50)) {
      $0.lifetimes.authority = .seconds(100 * 86_400)
      $0.lifetimes.serving = .seconds(100 * 86_400)
      $0.lifetimes.overlap = .seconds(86_400)
      $0.clock = WallClock { time.now }
    } _: { bench in
      func stored() async throws -> WebhookCertificates? {
        WebhookCertificates(
          secret: try await bench.client.get(CertificateKeeper.secrets, CertificateKeeper.secretName, in: "palana-system")["data"])
      }
      func bundles() async throws -> Set<String> {
        var all: Set<String> = []
        for resource in [RegistrationKinds.mutating, RegistrationKinds.validating] {
          for hook in try await bench.client.get(resource, "palana")["webhooks"]?.array ?? [] {
            all.insert(hook["clientConfig"]?["caBundle"]?.string ?? "")
          }
        }
        return all
      }
      let first = try #require(try await stored())
      let count = Counter()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          let alice = bench.person(AdmissionBench.alice)
          while !Task.isCancelled {
            // New connections too: an old one shows nothing new.
            _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("probe", in: bench.namespace, ["owner": .null]), dryRun: true)
            count.increment()
          }
        }
        group.addTask {
          for (days, authorities) in [(70, 2), (72, 2), (89, 2)] {
            time.step(to: start + .seconds(days * 86_400))
            try await TestCluster.until("there are \(authorities) authorities") {
              guard let now = try await stored(), now.authorities.count == authorities else { return false }
              let wanted = Base64Text.encoded(Array(try now.bundle().utf8))
              return try await bundles() == [wanted]
            }
            let before = count.value
            try await TestCluster.until("people go on") { count.value > before + 20 }
          }
        }
        try await group.next()
        group.cancelAll()
        do { try await group.waitForAll() } catch is CancellationError {} catch let error as KubeError
          where error.message.contains("given up")
        {}
      }
      let last = try #require(try await stored())
      #expect(last.authorities.count == 2 && last.authorities[1].certificate == first.authorities[0].certificate)
      let serving = last.serving.certificate
      #expect(last.authorities[0].certificate.publicKey.isValidSignature(serving.signature, for: serving))
    }
  }

  @Test func whatOthersChangeIsPutBack() async throws {
    try await AdmissionBench.run { bench in
      let root = bench.client
      _ = try await root.patch(
        RegistrationKinds.validating, "palana", .json([["op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"]]))
      try await root.delete(RegistrationKinds.mutating, "palana")
      try await root.delete(RegistrationKinds.bindings, "palana-pods")
      _ = try await root.patch(RegistrationKinds.policies, "palana-agents", .merge(["spec": ["failurePolicy": "Ignore"]]))
      // Not to be found by its label any more.
      _ = try await root.patch(RegistrationKinds.policies, "palana-entry", .merge(["metadata": ["labels": .null]]))
      let hooks = WebhookConfigurations(configuration: bench.configuration, bundle: "")
      try await TestCluster.until("everything is as it was") {
        guard let mutating = try await root.find(RegistrationKinds.mutating, "palana") else { return false }
        let validating = try await root.get(RegistrationKinds.validating, "palana")
        guard mutating["webhooks"]?.array?.count == hooks.mutating["webhooks"]?.array?.count,
          validating["webhooks"]?[0]?["failurePolicy"] == "Fail"
        else { return false }
        for (resource, object) in AdmissionPolicies(bench.configuration.parties).objects {
          guard let found = try await root.find(resource, object.name), RegistrationKeeper.differences(object, found).isEmpty else {
            return false
          }
        }
        return true
      }
      let repairs = bench.trail.events.filter { $0.action == "repair" && $0.reason == "drift" }
      #expect(Set(repairs.compactMap { $0.details["name"] }) == ["palana", "palana-pods", "palana-agents", "palana-entry"])
      #expect(repairs.contains { $0.details["fields"]?.contains("webhooks[0].failurePolicy") == true })
      // What is as it is wanted is not written.
      let version = try await root.get(RegistrationKinds.policies, "palana-pods").resourceVersion
      try await TestCluster.until("it is quiet") { bench.trail.events.count >= 5 }
      #expect(try await root.get(RegistrationKinds.policies, "palana-pods").resourceVersion == version)
    }
  }

  /// The whole operator, with the rights of its account and nothing more, behind its own webhooks.
  @Test func theOperatorWorksWithItsOwnRights() async throws {
    try await AdmissionBench.run { bench in
      #expect(try await bench.operation.userName() == bench.configuration.parties.engine)
      try await TestCluster.operating(bench.operation) {
        let alice = bench.person(AdmissionBench.alice)
        let home = try TestCluster.namespace(of: "demo")
        _ = try await alice.create(ClusterKinds.agents, TestCluster.agent("demo", in: bench.namespace, ["owner": .null]))
        try await TestCluster.until("its pod waits for a node") {
          try await bench.client.find(ClusterKinds.pods, "agent-0", in: home) != nil
        }
        let pod = try await bench.client.get(ClusterKinds.pods, "agent-0", in: home)
        // As the operator wanted it: nothing was added and nothing refused.
        #expect(pod["spec"]?["volumes"]?.array?.compactMap { $0["name"]?.string } == ["data", "authority", "tmp", "run"])
        #expect(try OwnPod.rules().problems(pod.json, in: home, isNew: true) == [])
        let defaults = try OwnPod.defaults()
        #expect(JSONPatch.operations(from: pod.json, to: defaults.completed(pod.json)) == [])
        // What is removed is made again by it.
        try await bench.client.delete(KubernetesManifest.Kind.roleBinding.resource, "agent-owner", in: home)
        try await TestCluster.until("the owner has their rights again") {
          try await bench.client.find(KubernetesManifest.Kind.roleBinding.resource, "agent-owner", in: home) != nil
        }
        _ = try await alice.patch(
          ClusterKinds.agents, "demo", in: bench.namespace, .merge(["metadata": ["annotations": ["palana.dev/purge": "true"]]]))
        try await alice.delete(ClusterKinds.agents, "demo", in: bench.namespace)
        try await TestCluster.until("everything is gone") {
          guard try await bench.client.find(ClusterKinds.agents, "demo", in: bench.namespace) == nil else { return false }
          return try await bench.client.find(KubernetesManifest.Kind.namespace.resource, home) == nil
        }
      }
    }
  }

  /// Of several who come first at once, one makes the secret, and all show what is in it.
  @Test func oneSecretIsMade() async throws {
    try await TestCluster.run(on: .admitting) { client, _ in
      let configuration = try AdmissionBench.configuration(port: 1)
      let namespaces = KubernetesManifest.Kind.namespace.resource
      if try await client.find(namespaces, "palana-system") == nil {
        _ = try await client.create(namespaces, KubeObject(namespaces, name: "palana-system"))
      }
      try await client.delete(CertificateKeeper.secrets, CertificateKeeper.secretName, in: "palana-system")
      let bundles = (0..<6).map { _ in TrustBundle() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for bundle in bundles {
          group.addTask {
            try await CertificateKeeper(
              client, configuration, certificate: ServingCertificate(), bundle: bundle, logger: Logger(label: "test")
            )
            .prepared()
          }
        }
        try await group.waitForAll()
      }
      #expect(Set(bundles.map(\.pem)).count == 1)
      try await client.delete(CertificateKeeper.secrets, CertificateKeeper.secretName, in: "palana-system")
    }
  }
}

/// A clock that moves when it is told to.
final class SteppedTime: Sendable {
  private let moment: Mutex<Timestamp>
  init(_ start: Timestamp) { moment = Mutex(start) }
  var now: Timestamp { moment.withLock { $0 } }
  func step(to next: Timestamp) { moment.withLock { $0 = next } }
}

private final class Counter: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func increment() { count.withLock { $0 += 1 } }
}
