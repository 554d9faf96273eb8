import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import PalanaCore
import Synchronization

/// HTTP/1.1 on one connection, with time limits and a bound on the connections of each local user.
struct ControlChannel: ServerChildChannel {
  typealias Value = HTTP1Channel.Value

  let http: HTTP1Channel
  let limits: ControlLimits
  /// Nil on TCP.
  let perUser: UserConnections?
  /// Nil: no TLS.
  let certificate: ServerCertificate?

  init(
    responder: @escaping HTTPChannelHandler.Responder, limits: ControlLimits, perUser: UserConnections?, certificate: ServerCertificate?
  ) {
    http = HTTP1Channel(
      responder: responder,
      configuration: .init(
        httpDecoderConfiguration: .init(
          maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes, maxHeaderFieldCount: 200)))
    self.limits = limits
    self.perUser = perUser
    self.certificate = certificate
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    guard let perUser else { return pipeline(channel, logger) }
    return PeerCredentials.future(of: channel).flatMap { credentials in
      guard perUser.open(credentials.userID) else {
        return channel.close().flatMapThrowing { throw ChannelError.ioOnClosedChannel }
      }
      channel.closeFuture.whenComplete { _ in perUser.close(credentials.userID) }
      return pipeline(channel, logger)
    }
  }

  private func pipeline(_ channel: any Channel, _ logger: Logger) -> EventLoopFuture<Value> {
    if let certificate {
      do { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificate.context)) } catch {
        return channel.eventLoop.makeFailedFuture(error)
      }
    }
    return http.setup(channel: channel, logger: logger).flatMapThrowing { value in
      let operations = channel.pipeline.syncOperations
      let decoder = try operations.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
      try operations.addHandler(
        ConnectionTimeouts(head: .init(limits.headTimeout), body: .init(limits.bodyTimeout)),
        position: .after(decoder))
      return value
    }
  }

  func handle(value: Value, logger: Logger) async { await http.handle(value: value, logger: logger) }
}

/// How many connections each local user has open.
final class UserConnections: Sendable {
  private let limit: Int
  private let unlimited: Set<UInt32>
  private let counts = Mutex<[UInt32: Int]>([:])

  init(limit: Int, unlimited: Set<UInt32>) {
    self.limit = limit
    self.unlimited = unlimited
  }

  /// Counts a connection; false: it is one too many and was not counted.
  func open(_ userID: UInt32) -> Bool {
    counts.withLock { counts in
      let present = counts[userID, default: 0]
      guard unlimited.contains(userID) || present < limit else { return false }
      counts[userID] = present + 1
      return true
    }
  }

  func close(_ userID: UInt32) {
    counts.withLock { counts in
      let left = counts[userID, default: 1] - 1
      counts[userID] = left > 0 ? left : nil
    }
  }
}
