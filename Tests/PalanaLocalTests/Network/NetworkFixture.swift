import Foundation
import Logging
import NIOCore
import NIOPosix
import PalanaCore
import PalanaLocal
import PalanaPlan
import Subprocess
import Synchronization
import Testing

/// One installation's network of its own in the real kernel: own names, own subnet, own folder; all of it removed afterwards.
struct NetworkFixture: Sendable {
  let configuration: NetworkConfiguration
  let folder: String
  let network: AgentNetwork

  static let isRoot = geteuid() == 0
  /// Subnets 10.213.X.0/24, one per fixture of this process; another process's are refused by the overlap check.
  private static let nextSubnet = Mutex(Int.random(in: 0...255))

  /// At most three at a time: the kernel makes one link after the other anyway, and tests measure time-outs.
  private static let permits = Permits(3)

  /// Runs `body` with a started network and removes everything afterwards, also after a failure.
  /// - Parameter isSecond: it runs inside another one's `body`, and does not wait for its turn.
  static func with<Value>(
    gatewayPorts: [Int] = [3128], maximumAgents: Int = 250, transparentPort: Int? = nil, isSecond: Bool = false,
    _ body: (NetworkFixture) async throws -> Value
  ) async throws -> Value {
    if !isSecond { await permits.take() }
    let result: Result<Value, any Error>
    do {
      result = .success(
        try await alone(
          gatewayPorts: gatewayPorts, maximumAgents: maximumAgents, transparentPort: transparentPort, body))
    } catch {
      result = .failure(error)
    }
    if !isSecond { await permits.give() }
    return try result.get()
  }

  private static func alone<Value>(
    gatewayPorts: [Int], maximumAgents: Int, transparentPort: Int?, _ body: (NetworkFixture) async throws -> Value
  ) async throws -> Value {
    let fixture = try await open(
      gatewayPorts: gatewayPorts, maximumAgents: maximumAgents, transparentPort: transparentPort)
    let result: Result<Value, any Error>
    do { result = .success(try await body(fixture)) } catch { result = .failure(error) }
    try await fixture.network.removeEverything()
    try? FileManager.default.removeItem(atPath: "/tmp/net-\(fixture.configuration.prefix)")
    return try result.get()
  }

  private static func open(
    gatewayPorts: [Int], maximumAgents: Int, transparentPort: Int?
  ) async throws -> NetworkFixture {
    let prefix = "nt" + RandomToken.hex(bytes: 2)
    let folder = "/tmp/net-\(prefix)/run/netns"
    for _ in 0..<64 {
      let number = nextSubnet.withLock { value in
        value = (value + 1) % 256
        return value
      }
      let configuration = try NetworkConfiguration(
        prefix: prefix, subnet: CIDR("10.213.\(number).0/24"), gatewayPorts: gatewayPorts, maximumAgents: maximumAgents,
        transparentPort: transparentPort)
      let network = try AgentNetwork(configuration: configuration, folder: folder, logger: Logger(label: "test"))
      let failure = await start(network)
      guard let failure else { return NetworkFixture(configuration: configuration, folder: folder, network: network) }
      try await network.removeEverything()
      guard failure.code == .conflict else { throw failure }
    }
    throw PalanaError(.conflict, "no free test subnet")
  }

  private static func start(_ network: AgentNetwork) async -> PalanaError? {
    do throws(PalanaError) {
      _ = try await network.start()
      return nil
    } catch {
      return error
    }
  }

  /// A second daemon for the same installation, as after a restart.
  /// - Parameter changed: how its configuration differs.
  func restarted(as changed: NetworkConfiguration? = nil) throws -> AgentNetwork {
    try AgentNetwork(configuration: changed ?? configuration, folder: folder, logger: Logger(label: "test"))
  }

  func agent(_ number: Int) throws -> AgentID {
    AgentID(owner: try UserIdentity("tester@example.com"), name: try ResourceName("agent\(number)"))
  }

  /// The address of the agent with this number, 2 to 253.
  func address(_ number: Int) -> IPAddress { .v4(configuration.subnetValue + UInt32(number)) }

  func prepare(_ number: Int) async throws -> NetworkHandle {
    try await network.prepare(agent(number), address: address(number))
  }

  func desire(_ number: Int, isCut: Bool = false) throws -> AgentNetworkDesire {
    AgentNetworkDesire(agent: try agent(number), address: address(number), isCut: isCut)
  }

  /// What a TCP connection from inside an agent's namespace comes to: what the other side said, or the name of the error.
  func connect(
    from handle: NetworkHandle, to address: IPAddress, port: Int, patience: Double = 10
  ) async throws -> String {
    try await connect(inside: handle.namespacePath, to: address, port: port, patience: patience)
  }

  /// The same from inside any namespace, by the path of its file.
  func connect(
    inside namespace: String, to address: IPAddress, port: Int, patience: Double = 10
  ) async throws -> String {
    let script = """
      import errno, socket, sys
      s = socket.socket()
      s.settimeout(float(sys.argv[3]))
      try:
          s.connect((sys.argv[1], int(sys.argv[2])))
          print(s.recv(200).decode())
      except socket.timeout:
          print("timeout")
      except OSError as e:
          print(errno.errorcode.get(e.errno, str(e)))
      """
    return try await python(script, ["\(address)", "\(port)", "\(patience)"], in: namespace)
  }

  /// Runs a Python program as root, in a network namespace or on the host.
  func python(_ script: String, _ arguments: [String], in namespace: String? = nil) async throws -> String {
    let prefix = namespace.map { ["--net=\($0)", "python3"] } ?? []
    return try await command(
      namespace == nil ? "python3" : "nsenter", prefix + ["-c", script] + arguments)
  }

  /// Runs a program and returns what it printed, without the last line break.
  @discardableResult
  func command(_ program: String, _ arguments: [String]) async throws -> String {
    let result = try await run(
      .name(program), arguments: Arguments(arguments), environment: .custom(["PATH": "/usr/sbin:/sbin:/usr/bin:/bin"]),
      output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
    guard result.terminationStatus.isSuccess else {
      throw PalanaError(.failed, "\(program) \(arguments.first ?? ""): \(result.standardError)")
    }
    return result.standardOutput.trimmingCharacters(in: .newlines)
  }

  /// Runs `body` while a server listens on the given port of `host` that greets each connection with the address it came from, and
  /// keeps it open.
  func withServer<Value>(
    host: IPAddress? = nil, port: Int, _ body: (any Channel) async throws -> Value
  ) async throws -> Value {
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Greeter()) }
      }
      .bind(host: "\(host ?? configuration.gateway)", port: port).get()
    let result: Result<Value, any Error>
    do { result = .success(try await body(server)) } catch { result = .failure(error) }
    try await server.close()
    return try result.get()
  }
}

/// Lets so many callers through at a time.
private actor Permits {
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { free = count }

  func take() async {
    guard free == 0 else {
      free -= 1
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  func give() {
    if waiting.isEmpty {
      free += 1
    } else {
      waiting.removeFirst().resume()
    }
  }
}

/// Says who is calling.
private final class Greeter: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  func channelActive(context: ChannelHandlerContext) {
    let text = context.remoteAddress?.ipAddress ?? "nobody"
    context.writeAndFlush(NIOAny(context.channel.allocator.buffer(string: "hello \(text)")), promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
