import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOSSL
import PalanaControlAPI
import PalanaCore

/// Calls operations of the control API. Every error that leaves it is a `PalanaError`, a `CancellationError` or ``BrokenPipe``.
struct ControlClient: Sendable {
  private let http: HTTPClient
  /// Where it speaks to.
  let endpoint: ControlEndpoint

  /// Answers that are not streams have at most this many bytes.
  private static let responseLimit = 64 << 20
  /// Answers that are not streams come within this time; the longest is a wait of 60 seconds.
  private static let deadline: TimeAmount = .seconds(150)

  /// Runs `body` with a client whose connections are closed afterwards.
  static func with<Value: Sendable>(
    _ endpoint: ControlEndpoint, _ body: (ControlClient) async throws -> Value
  ) async throws -> Value {
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout = .init(connect: .seconds(5))
    // Refused is an answer; asking again only delays the sentence that says so.
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    if let authorities = endpoint.authorities { configuration.tlsConfiguration = try tls(authorities) }
    return try await HTTPClient.withHTTPClient(configuration: configuration) { http in
      try await body(ControlClient(http: http, endpoint: endpoint))
    }
  }

  private static func tls(_ authorities: [UInt8]) throws -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    do { tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(authorities)) } catch {
      throw PalanaError(.invalid, "the file of --ca-file holds no certificates (PEM)")
    }
    return tls
  }

  /// Calls an operation and decodes its JSON answer.
  func call<Answer: Decodable>(
    _ operation: PalanaControlAPI.Operation, _ parameters: [String: String] = [:], query: [QueryItem] = [],
    body: RequestBody = .none, as type: Answer.Type = Answer.self
  ) async throws -> Answer {
    let bytes = try await bytes(operation, parameters, query: query, body: body)
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw PalanaError(
        .failed, "the server's answer is not what this version of pcli knows",
        hint: "compare the versions: pcli --version, pcli status")
    }
  }

  /// Calls an operation and reads its JSON answer without loss.
  func json(
    _ operation: PalanaControlAPI.Operation, _ parameters: [String: String] = [:], query: [QueryItem] = [],
    body: RequestBody = .none
  ) async throws -> JSONValue {
    try JSONValue(parsing: try await bytes(operation, parameters, query: query, body: body))
  }

  /// Calls an operation and returns the bytes of its answer.
  func bytes(
    _ operation: PalanaControlAPI.Operation, _ parameters: [String: String] = [:], query: [QueryItem] = [],
    body: RequestBody = .none
  ) async throws -> [UInt8] {
    try await translating {
      let response = try await send(operation, parameters, query: query, body: body, deadline: .now() + Self.deadline)
      return try await collect(response.body)
    }
  }

  /// Calls an operation and hands over the pieces of its answer as they come, until the end or until `consume` returns false.
  func stream(
    _ operation: PalanaControlAPI.Operation, _ parameters: [String: String] = [:], query: [QueryItem] = [],
    body: RequestBody = .none, _ consume: ([UInt8]) async throws -> Bool
  ) async throws {
    try await translating {
      let response = try await send(operation, parameters, query: query, body: body, deadline: .distantFuture)
      for try await buffer in response.body {
        guard try await consume(Array(buffer.readableBytesView)) else { return }
      }
    }
  }

  private func send(
    _ operation: PalanaControlAPI.Operation, _ parameters: [String: String], query: [QueryItem], body: RequestBody,
    deadline: NIODeadline
  ) async throws -> HTTPClientResponse {
    let route = operation.route
    var request = HTTPClientRequest(url: endpoint.url(operation, parameters, query))
    request.method = HTTPMethod(rawValue: route.verb.rawValue)
    request.headers.add(name: "user-agent", value: "pcli/\(PalanaVersion.current)")
    // The library would send the socket's path, which is no valid host.
    if case .socket = endpoint.address { request.headers.add(name: "host", value: "palana") }
    if let token = endpoint.token { request.headers.add(name: "authorization", value: "Bearer \(token.reveal())") }
    if let user = endpoint.user { request.headers.add(name: ControlHeader.user, value: user.raw) }
    if let type = route.request.mediaType { request.headers.add(name: "content-type", value: type) }
    if let type = route.response.mediaType { request.headers.add(name: "accept", value: type) }
    request.body = body.body
    let response = try await http.execute(request, deadline: deadline)
    guard (200..<300).contains(response.status.code) else {
      throw Self.error(status: Int(response.status.code), try await collect(response.body))
    }
    return response
  }

  private func collect(_ body: HTTPClientResponse.Body) async throws -> [UInt8] {
    var buffer = try await body.collect(upTo: Self.responseLimit)
    return buffer.readBytes(length: buffer.readableBytes) ?? []
  }

  /// The error that an answer outside 200…299 means: the server's own, or one made from the status.
  static func error(status: Int, _ bytes: [UInt8]) -> PalanaError {
    if let envelope = try? JSONDecoder().decode(PalanaError.Envelope.self, from: Data(bytes)) { return envelope.error }
    switch status {
    case 400: return PalanaError(.invalid, "the server refused the request as malformed")
    case 401, 403: return PalanaError(.denied, "the server refused the request", hint: "see pcli whoami")
    case 404: return PalanaError(.notFound, "the server does not know this", hint: "is it a control API of Palana?")
    case 409: return PalanaError(.conflict, "somebody else changed it first")
    case 502...504: return PalanaError(.unreachable, "the server answered with status \(status)")
    default: return PalanaError(.failed, "the server answered with status \(status)")
    }
  }

  private func translating<Value>(_ body: () async throws -> Value) async throws -> Value {
    do { return try await body() } catch { throw TransportFailure(endpoint).palanaError(error) }
  }
}
