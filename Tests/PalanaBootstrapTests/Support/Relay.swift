import NIOCore
import NIOPosix
import Synchronization

/// A place on the way to a server that can be interrupted.
final class Relay: Sendable {
  /// Port of the server; 0: it is down, and connections end at once.
  let target = Mutex(0)
  /// So many answers are lost: the request arrives, and the connection ends instead of the answer.
  let losses = Mutex(0)
  /// A value for each connection that comes.
  let arrivals: AsyncStream<Void>
  let port: Int
  private let channel: any Channel

  init() async throws {
    let (stream, arrived) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    arrivals = stream
    let box = Acceptor()
    channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelOption(.autoRead, value: false)
      .childChannelInitializer { channel in
        arrived.yield()
        return box.accept(channel)
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = channel.localAddress?.port ?? 0
    box.relay.withLock { $0 = self }
  }

  func close() async { try? await channel.close() }

  fileprivate func join(_ client: any Channel) -> EventLoopFuture<Void> {
    let port = target.withLock { $0 }
    guard port > 0 else { return client.close() }
    return ClientBootstrap(group: client.eventLoop).channelOption(.autoRead, value: false).connect(host: "127.0.0.1", port: port)
      .flatMap { [self] server in
        client.pipeline.addHandler(Pass(peer: server) { true }).flatMap {
          server.pipeline.addHandler(Pass(peer: client) { [self] in passes() })
        }.flatMap { client.setOption(.autoRead, value: true) }.flatMap { server.setOption(.autoRead, value: true) }
      }
  }

  private func passes() -> Bool {
    losses.withLock { losses in
      guard losses > 0 else { return true }
      losses -= 1
      return false
    }
  }
}

private final class Acceptor: Sendable {
  let relay = Mutex<Relay?>(nil)
  func accept(_ channel: any Channel) -> EventLoopFuture<Void> {
    guard let relay = relay.withLock({ $0 }) else { return channel.close() }
    return relay.join(channel)
  }
}

private final class Pass: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer

  private let peer: any Channel
  private let passes: @Sendable () -> Bool

  init(peer: any Channel, _ passes: @escaping @Sendable () -> Bool) {
    self.peer = peer
    self.passes = passes
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard passes() else {
      context.close(promise: nil)
      return peer.close(promise: nil)
    }
    peer.writeAndFlush(unwrapInboundIn(data), promise: nil)
  }

  func channelInactive(context: ChannelHandlerContext) { peer.close(promise: nil) }
}
