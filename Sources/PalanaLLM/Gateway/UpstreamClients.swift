import AsyncHTTPClient
import NIOCore
import NIOSSL
import PalanaCore

/// The HTTP clients of one event loop. A client of several loops would keep no connection for a request that belongs to a certain one.
struct UpstreamClients: Sendable {
  private let plain: HTTPClient
  private let secure: HTTPClient

  init(on eventLoop: any EventLoop, tls: TLSConfiguration, connectTimeout: Duration) {
    var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
    // A redirect could carry the credential to another server.
    configuration.redirectConfiguration = .disallow
    configuration.decompression = .disabled
    configuration.timeout.connect = TimeAmount(connectTimeout)
    configuration.connectionPool.retryConnectionEstablishment = false
    // A stream holds a connection for as long as it lasts: how many there are is for agents' limits to say.
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 65_536
    configuration.http1_1ConnectionDebugInitializer = { channel in
      channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(FlushGatherer(), position: .first) }
    }
    // A request that crosses the server's closing of the connection is lost, so ours closes it first. Servers for Python and Node wait
    // for five seconds, and are reached without TLS, where another connection costs little; what stands before providers waits a minute.
    configuration.connectionPool.idleTimeout = .seconds(4)
    plain = HTTPClient(eventLoopGroupProvider: .shared(eventLoop), configuration: configuration)
    configuration.connectionPool.idleTimeout = .seconds(55)
    secure = HTTPClient(eventLoopGroupProvider: .shared(eventLoop), configuration: configuration)
  }

  func client(for url: String) -> HTTPClient { url.hasPrefix("https:") ? secure : plain }

  func shutdown() async {
    try? await plain.shutdown()
    try? await secure.shutdown()
  }
}
