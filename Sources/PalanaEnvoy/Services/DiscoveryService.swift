import GRPCCore
import Logging
import PalanaCore
import PalanaEgress
import SwiftProtobuf

/// The one discovery stream (incremental, aggregated) that Envoy keeps open: the listener of the agents, and certificates by name.
struct DiscoveryService: Sendable {
  typealias Request = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest
  typealias Response = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse

  static let listenerType = EnvoyNames.typePrefix + "envoy.config.listener.v3.Listener"
  static let secretType = EnvoyNames.typePrefix + "envoy.extensions.transport_sockets.tls.v3.Secret"

  let judge: EgressJudge
  let board: DiscoveryBoard
  let listener: AgentListener
  /// Certificates that Envoy may hold.
  let secretLimit: Int
  let logger: Logger
  /// Called when the stream has broken off. Whoever is called ends Envoy: what is open in one that hears of no kill could go on.
  let lost: @Sendable () -> Void

  /// Serves the stream until it ends.
  func serve(_ requests: RPCAsyncSequence<Request, any Error>, _ writer: RPCWriter<Response>) async throws {
    let (signals, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let stream = DiscoveryStream(secretLimit: secretLimit)
    let number = board.connected(wake)
    defer { if board.lost(number) { lost() } }
    try await withThrowingDiscardingTaskGroup { group in
      group.addTask {
        while (try? await Task.sleep(for: .seconds(3600))) != nil { wake.yield() }
      }
      group.addTask {
        // Also when the connection breaks off: the loop below has to end.
        defer { wake.finish() }
        for try await request in requests {
          read(request, stream)
          wake.yield()
        }
      }
      var sent: UInt64 = 0
      for await _ in signals {
        let picture = board.picture
        if stream.wantsListener, picture.version > sent {
          sent = picture.version
          try await writer.write(try listenerResponse(picture))
        }
        let old = stream.takeOld(ContinuousClock.now - EgressJudge.certificateUse)
        if !old.isEmpty { try await writer.write(Self.removal(of: old, stream)) }
        for name in stream.takeWanted() { try await writer.write(await secretResponse(name, stream)) }
      }
      group.cancelAll()
    }
  }

  // MARK: Reading

  private func read(_ request: Request, _ stream: DiscoveryStream) {
    switch request.typeURL {
    case Self.listenerType:
      stream.wantListener()
      guard let version = UInt64(request.responseNonce) else { return }
      if request.hasErrorDetail {
        logger.error("Envoy refused the listener of the agents", metadata: ["error": "\(request.errorDetail.message)"])
      }
      board.acknowledged(version, accepted: !request.hasErrorDetail)
    case Self.secretType:
      if request.hasErrorDetail {
        logger.error("Envoy refused a certificate", metadata: ["error": "\(request.errorDetail.message)"])
      }
      stream.want(request.resourceNamesSubscribe, noLonger: request.resourceNamesUnsubscribe)
    default: break
    }
  }

  // MARK: Writing

  private func listenerResponse(_ picture: DiscoveryBoard.Picture) throws -> Response {
    var resource = Envoy_Service_Discovery_V3_Resource()
    resource.name = EnvoyNames.agentListener
    resource.version = String(picture.version)
    resource.resource = try SwiftProtobuf.Google_Protobuf_Any(message: try listener.message(picture.chains))
    var response = Response()
    response.typeURL = Self.listenerType
    response.systemVersionInfo = resource.version
    response.nonce = resource.version
    response.resources = [resource]
    return response
  }

  /// What is taken away is asked for again when it is needed again.
  private static func removal(of names: [String], _ stream: DiscoveryStream) -> Response {
    var response = Response()
    response.typeURL = secretType
    response.nonce = stream.nextNonce()
    response.removedResources = names
    return response
  }

  /// A certificate, or at once the word that there is none: a handshake that hears nothing would hang.
  private func secretResponse(_ name: String, _ stream: DiscoveryStream) async -> Response {
    var response = Response()
    response.typeURL = Self.secretType
    response.nonce = stream.nextNonce()
    guard let pair = await judge.certificate(for: name) else {
      response.removedResources = [name]
      return response
    }
    var secret = Envoy_Extensions_TransportSockets_Tls_V3_Secret()
    secret.name = name
    secret.tlsCertificate.certificateChain.inlineString = pair.certificate
    secret.tlsCertificate.privateKey.inlineString = pair.key.reveal()
    var resource = Envoy_Service_Discovery_V3_Resource()
    resource.name = name
    resource.version = response.nonce
    guard let packed = try? SwiftProtobuf.Google_Protobuf_Any(message: secret) else {
      response.removedResources = [name]
      return response
    }
    resource.resource = packed
    stream.hold(name)
    response.resources = [resource]
    // The oldest make room: asked for again, they are minted again.
    response.removedResources = stream.makeRoom(besides: name)
    return response
  }
}
