package import Logging
import PalanaCore
package import PalanaKube
import SwiftASN1
import X509

/// Keeps the certificates of the webhooks in a secret that all operators share, and what this process shows the same as what is there.
///
/// Every operator does so, whether it leads or not. Of two that write at once, one is refused by the version and takes what the other wrote.
package struct CertificateKeeper: Sendable {
  package static let secretName = "palana-webhook-tls"
  static let secrets = KubeResource("", "v1", "secrets", kind: "Secret")

  private let client: KubeClient
  private let namespace: String
  private let rotation: CertificateRotation
  private let clock: WallClock
  private let interval: Duration
  private let certificate: ServingCertificate
  private let bundle: TrustBundle
  private let logger: Logger

  /// - Parameter interval: how often the time is looked at.
  package init(
    _ client: KubeClient, _ configuration: AdmissionConfiguration, certificate: ServingCertificate, bundle: TrustBundle,
    interval: Duration = .seconds(30), logger: Logger
  ) {
    self.client = client
    namespace = configuration.parties.namespace
    rotation = CertificateRotation(names: configuration.reach.names, lifetimes: configuration.lifetimes)
    clock = configuration.clock
    self.interval = interval
    self.certificate = certificate
    self.bundle = bundle
    self.logger = logger
  }

  /// Runs until it is cancelled.
  package func run() async {
    let selection = Selection(namespace: namespace, fields: "metadata.name=\(Self.secretName)")
    let informer = Informer(Watcher(client, Self.secrets, selection)) { $0.resourceVersion }
    await withDiscardingTaskGroup { group in
      group.addTask { await informer.run { _ in await attempt() } }
      group.addTask {
        repeat { await attempt() } while (try? await Task.sleep(for: interval)) != nil
      }
    }
  }

  /// Waits for the first certificate.
  package func prepared() async throws {
    while !certificate.isPresent {
      await attempt()
      if !certificate.isPresent { try await Task.sleep(for: .seconds(1)) }
    }
  }

  private func attempt() async {
    do {
      try await turn()
    } catch let error as KubeError {
      // Somebody else was faster; what they wrote comes with the watch.
      guard error.kind != .conflict, error.kind != .alreadyExists else { return }
      logger.warning("the webhooks' certificate could not be kept", metadata: ["error": "\(error.message)"])
    } catch {
      logger.error("the webhooks' certificate could not be made")
    }
  }

  private func turn() async throws {
    let found = try await client.find(Self.secrets, Self.secretName, in: namespace)
    let current = found.flatMap { WebhookCertificates(secret: $0["data"]) }
    guard let next = try rotation.next(current, now: clock.now()) else {
      if let current { try use(current) }
      return
    }
    var object = found ?? KubeObject(Self.secrets, namespace: namespace, name: Self.secretName)
    object["data"] = try next.secret().reveal()
    if found == nil {
      object["type"] = "Opaque"
      object.setMetadata("labels", ["app.kubernetes.io/managed-by": "palana"])
      _ = try await client.create(Self.secrets, object)
    } else {
      _ = try await client.replace(Self.secrets, object)
    }
    logger.notice("certificates of the webhooks were made", metadata: ["authorities": "\(next.authorities.count)"])
    try use(next)
  }

  private func use(_ certificates: WebhookCertificates) throws {
    try certificate.replace(
      chain: try certificates.serving.certificate.serializeAsPEM().pemString, key: certificates.serving.key)
    bundle.replace(try certificates.bundle())
  }
}
