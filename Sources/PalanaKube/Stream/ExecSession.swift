package import NIOCore
import NIOWebSocket
import PalanaCore

/// A program that runs in a container, over the channels of one websocket (`v5.channel.k8s.io`).
package struct ExecSession: ~Copyable {
  package enum Output: Sendable, Equatable {
    case standardOutput(ByteBuffer)
    case standardError(ByteBuffer)
  }

  /// How it ended.
  package enum Exit: Sendable, Equatable {
    case code(Int)
    /// It did not run, or its end is not known.
    case failed(String)
  }

  typealias Frames = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

  private enum Channel: UInt8 {
    case input = 0
    case output = 1
    case error = 2
    case status = 3
    case resize = 4
    case close = 255
  }

  private var inbound: NIOAsyncChannelInboundStream<WebSocketFrame>.AsyncIterator
  /// Writes to the program; may be used while somebody reads.
  package let input: Input
  /// How it ended; nil while it runs.
  package private(set) var exit: Exit?

  init(_ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>) {
    self.inbound = inbound.makeAsyncIterator()
    input = Input(outbound: outbound)
  }

  package struct Input: Sendable {
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>

    package func write(_ bytes: ByteBuffer) async throws { try await send(.input, bytes) }

    /// The program reads the end of its input.
    package func finish() async throws { try await send(.close, ByteBuffer(bytes: [Channel.input.rawValue])) }

    /// The size of the terminal, in characters.
    package func resize(columns: Int, rows: Int) async throws {
      let size: JSONValue = ["Width": .number(JSONNumber(columns)), "Height": .number(JSONNumber(rows))]
      try await send(.resize, ByteBuffer(bytes: size.encoded()))
    }

    fileprivate func pong(_ bytes: ByteBuffer) async throws {
      try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: bytes))
    }

    private func send(_ channel: Channel, _ bytes: ByteBuffer) async throws {
      var data = ByteBuffer(bytes: [channel.rawValue])
      data.writeImmutableBuffer(bytes)
      try await outbound.write(WebSocketFrame(fin: true, opcode: .binary, maskKey: .random(), data: data))
    }
  }

  /// What the program writes next; nil when it has ended, and ``exit`` says how.
  ///
  /// - Throws: ``KubeError`` when what comes is not what the protocol says, `CancellationError`.
  package mutating func next() async throws -> Output? {
    while exit == nil {
      let frame: WebSocketFrame?
      do { frame = try await inbound.next(isolation: #isolation) } catch {
        try Task.checkCancellation()
        throw KubeError(.unreachable, "the connection with the container broke off")
      }
      guard let frame else {
        try Task.checkCancellation()
        exit = .failed("the connection with the container ended before the program")
        break
      }
      var bytes = frame.unmaskedData
      switch frame.opcode {
      case .binary:
        guard let number: UInt8 = bytes.readInteger() else { continue }
        switch Channel(rawValue: number) {
        case .output: if bytes.readableBytes > 0 { return .standardOutput(bytes) }
        case .error: if bytes.readableBytes > 0 { return .standardError(bytes) }
        case .status: exit = try Self.exit(Array(buffer: bytes))
        case .close: continue
        case .input, .resize, nil: throw KubeError(.malformed, "the container sent something on an unknown channel")
        }
      case .ping: try await input.pong(bytes)
      case .connectionClose: exit = .failed("the connection with the container was closed before the program ended")
      case .pong: continue
      default: throw KubeError(.malformed, "the container sent an unexpected frame")
      }
    }
    return nil
  }

  /// Reads the `Status` that ends a program.
  static func exit(_ bytes: [UInt8]) throws(KubeError) -> Exit {
    guard let status = try? JSONValue(parsing: bytes), status["kind"]?.string == "Status" || status["status"] != nil else {
      throw KubeError(.malformed, "the end of a program cannot be read")
    }
    if status["status"]?.string == "Success" { return .code(0) }
    for cause in status["details"]?["causes"]?.array ?? [] where cause["reason"]?.string == "ExitCode" {
      if let code = cause["message"]?.string.flatMap({ Int($0) }) { return .code(code) }
    }
    return .failed(String((status["message"]?.string ?? "the program did not run").prefix(2_000)))
  }
}
