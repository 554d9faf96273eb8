import Foundation
import NIOCore
import NIOPosix
import PalanaCore
import PalanaLocal
import PalanaPlan
import Synchronization

extension NetworkFixture {
  /// What an agent saw of its connections after they ended.
  struct Ending: Decodable {
    /// `CLOCK_MONOTONIC`, nanoseconds: the last byte on any connection, and when the first and the last connection ended.
    var lastByte: Int64
    var firstEnd: Int64
    var lastEnd: Int64
    /// Why each ended: `closed` or the name of an error.
    var reasons: [String]
    var bytes: Int
  }

  /// The machine's monotonic time in nanoseconds, as Python's `monotonic_ns` tells it.
  static func monotonic() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Streams bytes to `count` connections of an agent without end, runs `body` when all of them flow, and returns what the agent
  /// saw, and what `body` returned. The agent gives up 20 seconds after the last byte.
  /// - Parameters:
  ///   - port: where the server listens.
  ///   - destination: what the agent connects to; nil: the server.
  func stream<Value: Sendable>(
    to handle: NetworkHandle, connections count: Int, port: Int = 3128, towards destination: (address: String, port: Int)? = nil,
    _ body: @Sendable (Streams) async throws -> Value
  ) async throws -> (Ending, Value) {
    let streams = Streams()
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 512)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Stream(streams)) }
      }
      .bind(host: "\(configuration.gateway)", port: port).get()
    let script = """
      import errno, json, selectors, socket, sys, time
      sel = selectors.DefaultSelector()
      for _ in range(int(sys.argv[3])):
          s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
          s.setblocking(False)
          sel.register(s, selectors.EVENT_READ)
      last = 0; first = 0; total = 0; reasons = []; end = 0
      while sel.get_map():
          ready = sel.select(20)
          if not ready: reasons += ["silence"] * len(sel.get_map()); break
          for key, _ in ready:
              try:
                  data = key.fileobj.recv(65536)
                  if data: last = time.monotonic_ns(); total += len(data); continue
                  reason = "closed"
              except OSError as e: reason = errno.errorcode.get(e.errno, str(e))
              end = time.monotonic_ns(); first = first or end
              reasons.append(reason); sel.unregister(key.fileobj)
      print(json.dumps({"lastByte": last, "firstEnd": first, "lastEnd": end, "reasons": reasons, "bytes": total}))
      """
    let address = destination?.address ?? "\(configuration.gateway)"
    let result: Result<(Ending, Value), any Error>
    do {
      async let text = python(script, [address, "\(destination?.port ?? port)", "\(count)"], in: handle.namespacePath)
      await streams.wait(for: count)
      let value = try await body(streams)
      result = .success((try await JSONDecoder().decode(Ending.self, from: Data(text.utf8)), value))
    } catch {
      result = .failure(error)
    }
    try await server.close()
    return try result.get()
  }
}

/// The host's ends of the connections.
final class Streams: Sendable {
  private struct State {
    var active: [ObjectIdentifier: any Channel] = [:]
    var waiters: [(Int, CheckedContinuation<Void, Never>)] = []
  }
  private let state = Mutex(State())

  /// How many are open.
  var count: Int { state.withLock { $0.active.count } }

  /// Waits until so many have sent their first byte.
  func wait(for count: Int) async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        if state.active.count >= count { return true }
        state.waiters.append((count, continuation))
        return false
      }
      if isThere { continuation.resume() }
    }
  }

  /// Ends all of them from the host's side.
  func close() {
    for channel in state.withLock({ Array($0.active.values) }) { channel.close(promise: nil) }
  }

  fileprivate func opened(_ channel: any Channel) {
    let ready = state.withLock { state in
      state.active[ObjectIdentifier(channel)] = channel
      let ready = state.waiters.filter { $0.0 <= state.active.count }
      state.waiters.removeAll { $0.0 <= state.active.count }
      return ready
    }
    for (_, waiter) in ready { waiter.resume() }
  }

  fileprivate func closed(_ channel: any Channel) {
    _ = state.withLock { $0.active.removeValue(forKey: ObjectIdentifier(channel)) }
  }
}

/// Sends a kilobyte whenever the one before is gone, at most one each ten milliseconds: the cut is measured, not the machine.
private final class Stream: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let streams: Streams
  private var isOpen = true

  init(_ streams: Streams) { self.streams = streams }

  func channelActive(context: ChannelHandlerContext) { send(context, isFirst: true) }

  private func send(_ context: ChannelHandlerContext, isFirst: Bool) {
    guard isOpen else { return }
    let bytes = context.channel.allocator.buffer(bytes: [UInt8](repeating: 97, count: 1024))
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    context.writeAndFlush(NIOAny(bytes)).whenSuccess {
      let (handler, context) = bound.value
      if isFirst { handler.streams.opened(context.channel) }
      context.eventLoop.scheduleTask(in: .milliseconds(10)) { bound.value.0.send(bound.value.1, isFirst: false) }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    isOpen = false
    streams.closed(context.channel)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
