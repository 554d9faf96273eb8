import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf
import Glibc
import Logging
import PalanaCore
import SwiftProtobuf

/// The gRPC server at which Envoy asks, on a Unix socket that only Envoy's user can open.
struct ControlServer {
  let authorization: AuthorizationService
  let discovery: DiscoveryService
  let accessLog: AccessLogService

  private typealias Router = RPCRouter<HTTP2ServerTransport.Posix>

  /// The server, not yet serving.
  ///
  /// - Parameter socket: a descriptor that is bound and listens; it is taken over.
  func server(socket: Int32) -> GRPCServer<HTTP2ServerTransport.Posix> {
    var router = Router()
    register(&router)
    let transport = HTTP2ServerTransport.Posix(
      listeningSocketDescriptor: Int(socket), transportSecurity: .plaintext,
      config: .defaults { config in
        // One connection carries the calls of all agents.
        config.http2.maxConcurrentStreams = 1_000_000
        config.rpc.maxRequestPayloadSize = 16 << 20
      })
    return GRPCServer(transport: transport, router: router)
  }

  private func register(_ router: inout Router) {
    let authorization = authorization
    router.registerHandler(
      forMethod: MethodDescriptor(fullyQualifiedService: "envoy.service.auth.v3.Authorization", method: "Check"),
      deserializer: ProtobufDeserializer<AuthorizationService.Request>(),
      serializer: ProtobufSerializer<AuthorizationService.Response>()
    ) { request, _ in
      let metadata = request.metadata
      let single = try await ServerRequest(stream: request)
      return StreamingServerResponse(
        single: ServerResponse(message: await authorization.check(single.message, metadata: metadata)))
    }
    let discovery = discovery
    router.registerHandler(
      forMethod: MethodDescriptor(
        fullyQualifiedService: "envoy.service.discovery.v3.AggregatedDiscoveryService", method: "DeltaAggregatedResources"),
      deserializer: ProtobufDeserializer<DiscoveryService.Request>(),
      serializer: ProtobufSerializer<DiscoveryService.Response>()
    ) { request, _ in
      let messages = request.messages
      return StreamingServerResponse { writer in
        try await discovery.serve(messages, writer)
        return [:]
      }
    }
    let accessLog = accessLog
    router.registerHandler(
      forMethod: MethodDescriptor(
        fullyQualifiedService: "envoy.service.accesslog.v3.AccessLogService", method: "StreamAccessLogs"),
      deserializer: ProtobufDeserializer<AccessLogService.Message>(),
      serializer: ProtobufSerializer<Envoy_Service_Accesslog_V3_StreamAccessLogsResponse>()
    ) { request, _ in
      var log = ""
      for try await message in request.messages {
        if message.hasIdentifier { log = message.identifier.logName }
        await accessLog.take(message, log: log)
      }
      return StreamingServerResponse(single: ServerResponse(message: .init()))
    }
  }
}

/// The Unix socket, made so that there is no moment at which somebody else could connect to it.
enum ControlSocket {
  /// - Throws: ``PalanaError`` with code `failed` or `invalid`.
  static func listen(_ path: String, owner: UInt32?) throws(PalanaError) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: address.sun_path)
    guard bytes.count < room else { throw PalanaError(.invalid, "the path of the socket ‘\(path)’ is too long") }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in unsafe target.copyBytes(from: bytes) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw failure(path) }
    _ = unsafe unlink(path)
    let bound = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    // Before it listens nobody can connect, so the rights are in force for the first one.
    guard bound == 0, unsafe chmod(path, 0o600) == 0, owner.map({ unsafe chown(path, $0, $0) == 0 }) ?? true,
      Glibc.listen(descriptor, 128) == 0
    else {
      close(descriptor)
      throw failure(path)
    }
    return descriptor
  }

  private static func failure(_ path: String) -> PalanaError {
    PalanaError(.failed, "the socket ‘\(path)’ could not be made: \(unsafe String(cString: strerror(errno)))")
  }
}
