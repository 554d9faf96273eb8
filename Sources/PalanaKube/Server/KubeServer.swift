import AsyncHTTPClient
import Logging
import NIOCore
package import NIOHTTP1
import NIOPosix
import NIOSSL
package import PalanaCore
import ServiceLifecycle
import Synchronization

/// One API server as one identity: sends requests, keeps connections and credentials.
///
/// A service that closes its connections when its group ends. No error or log line of it holds a credential.
package final class KubeServer: Service {
  package let endpoint: KubeEndpoint
  package let limits: KubeLimits
  private let credentials: CredentialSource
  private let http: HTTPClient
  /// What connections demand of the server, without a certificate of ours.
  let tls: TLSConfiguration
  private let base: String
  /// The configuration with the newest certificate, and its number.
  private let own = Mutex<(number: UInt64, tls: TLSConfiguration)?>(nil)

  /// - Throws: ``PalanaError`` with code `invalid` when the endpoint cannot be used.
  package init(_ endpoint: KubeEndpoint, limits: KubeLimits = KubeLimits(), clock: WallClock = .system) throws(PalanaError) {
    self.endpoint = endpoint
    self.limits = limits
    credentials = CredentialSource(endpoint.authentication, clock: clock)
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.minimumTLSVersion = .tlsv12
    if endpoint.skipsVerification { tls.certificateVerification = .none }
    if let authorities = endpoint.authorities {
      do {
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(authorities))
      } catch {
        throw PalanaError(.invalid, "the certificate authority of \(endpoint.url) is not PEM")
      }
    }
    self.tls = tls
    let address = try KubeAddress(endpoint)
    var configuration = HTTPClient.Configuration()
    base = address.base
    configuration.dnsOverride = address.overrides
    configuration.proxy = try address.proxy(endpoint.proxy)
    configuration.tlsConfiguration = tls
    // A redirect could carry the credential to another server.
    configuration.redirectConfiguration = .disallow
    configuration.timeout.connect = TimeAmount(limits.connectTimeout)
    configuration.connectionPool.idleTimeout = .seconds(60)
    // When to connect again is decided here, with the caller's deadline in mind.
    configuration.connectionPool.retryConnectionEstablishment = false
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  package func run() async throws {
    try? await gracefulShutdown()
    await close()
  }

  // A client that was never closed is closed in the background: HTTPClient insists on it.
  deinit { http.shutdown { _ in } }

  /// Closes the connections. The server cannot be used any more. Safe to call twice.
  package func close() async { try? await http.shutdown() }

  /// A request, as it goes out.
  package struct Request: Sendable {
    package var method: HTTPMethod
    /// With its query.
    package var path: String
    package var body: [UInt8]?
    package var contentType = "application/json"
    package var accept = "application/json"
    /// As whom, instead of the identity of the endpoint.
    package var impersonation: Impersonation?

    package init(_ method: HTTPMethod, _ path: String, body: [UInt8]? = nil, contentType: String = "application/json") {
      self.method = method
      self.path = path
      self.body = body
      self.contentType = contentType
    }

    /// Whether it may be sent again when nobody knows whether it arrived.
    var isRead: Bool { method == .GET || method == .HEAD || method == .OPTIONS }
  }

  // MARK: Requests

  /// Sends a request and reads its whole answer.
  ///
  /// - Throws: ``KubeError``; also for an answer that is a failure.
  package func send(_ request: Request) async throws(KubeError) -> [UInt8] {
    let end = ContinuousClock.now + limits.timeout
    var attempt = 1
    while true {
      let failure: KubeError
      do throws(KubeError) {
        return try await once(request)
      } catch {
        failure = error
      }
      // 429 was not looked at, so it may be sent again whatever it is; the rest only when it changes nothing.
      let mayRepeat = failure.kind == .throttled && failure.status == 429 || request.isRead && failure.isTransient
      let pause = failure.retryAfter ?? .milliseconds(50 << attempt)
      guard mayRepeat, attempt < limits.attempts, .now + pause < end, !Task.isCancelled else { throw failure }
      do { try await Task.sleep(for: pause) } catch { throw failure }
      attempt += 1
    }
  }

  private func once(_ request: Request) async throws(KubeError) -> [UInt8] {
    try await collected(execute(request).body)
  }

  /// Sends a request whose answer is read as it comes: a watch, a log.
  ///
  /// - Returns: the body, already known to be that of a success.
  package func stream(_ request: Request) async throws(KubeError) -> KubeBody {
    KubeBody(try await execute(request).body)
  }

  /// The client's own time limit ends with the head of the answer.
  private func execute(_ request: Request) async throws(KubeError) -> HTTPClientResponse {
    let (credential, number) = try await credential()
    var response = try await attempt(request, credential, number)
    if response.status == .unauthorized, let (other, next) = try await refused(number) {
      _ = try? await collected(response.body)
      response = try await attempt(request, other, next)
    }
    guard (200..<300).contains(response.status.code) else {
      let body = (try? await collected(response.body)) ?? []
      throw KubeError(status: Int(response.status.code), body: body, retryAfter: response.headers.first(name: "retry-after"))
    }
    return response
  }

  private func attempt(
    _ request: Request, _ credential: Credential, _ number: UInt64
  ) async throws(KubeError) -> HTTPClientResponse {
    var outgoing = HTTPClientRequest(url: base + request.path)
    outgoing.method = request.method
    outgoing.headers.add(name: "accept", value: request.accept)
    try write(credential, request.impersonation, into: &outgoing.headers)
    if let certificate = credential.certificate { outgoing.tlsConfiguration = try configuration(certificate, number) }
    if let body = request.body {
      outgoing.headers.add(name: "content-type", value: request.contentType)
      outgoing.body = .bytes(body, length: .known(Int64(body.count)))
    }
    do { return try await http.execute(outgoing, timeout: TimeAmount(limits.timeout)) } catch { throw unreachable(error) }
  }

  private func write(
    _ credential: Credential, _ impersonation: Impersonation?, into headers: inout HTTPHeaders
  ) throws(KubeError) {
    headers.add(name: "user-agent", value: "palana/\(PalanaVersion.current)")
    if let authorization = credential.authorization { headers.add(name: "authorization", value: authorization.reveal()) }
    try impersonation?.write(into: &headers)
  }

  /// For a connection that is made by hand: the fields that say who asks, and what TLS has to hold.
  struct Identity: Sendable {
    var headers: HTTPHeaders
    var tls: TLSConfiguration
    fileprivate var number: UInt64
  }

  func identity(_ impersonation: Impersonation?) async throws(KubeError) -> Identity {
    let (credential, number) = try await credential()
    return try identity(credential, number, impersonation)
  }

  /// The server did not accept `refused`.
  /// - Returns: nil when there is no other.
  func identity(_ impersonation: Impersonation?, insteadOf refused: Identity) async throws(KubeError) -> Identity? {
    guard let (credential, number) = try await self.refused(refused.number) else { return nil }
    return try identity(credential, number, impersonation)
  }

  private func identity(
    _ credential: Credential, _ number: UInt64, _ impersonation: Impersonation?
  ) throws(KubeError) -> Identity {
    var headers = HTTPHeaders()
    try write(credential, impersonation, into: &headers)
    var tls = self.tls
    if let certificate = credential.certificate { tls = try configuration(certificate, number) }
    return Identity(headers: headers, tls: tls, number: number)
  }

  private func credential() async throws(KubeError) -> (Credential, UInt64) {
    do { return try await credentials.credential() } catch { throw Self.kube(error) }
  }

  private func refused(_ number: UInt64) async throws(KubeError) -> (Credential, UInt64)? {
    do { return try await credentials.refused(number) } catch { throw Self.kube(error) }
  }

  private static func kube(_ error: any Error) -> KubeError {
    error as? KubeError ?? KubeError(.unauthenticated, "the credential of the cluster could not be read")
  }

  private func collected(_ body: HTTPClientResponse.Body) async throws(KubeError) -> [UInt8] {
    let limit = limits.responseBytes
    let timeout = limits.timeout
    do {
      return try await withThrowingTaskGroup(of: [UInt8].self) { group in
        group.addTask { Array(buffer: try await body.collect(upTo: limit)) }
        group.addTask {
          try await Task.sleep(for: timeout)
          throw HTTPClientError.readTimeout
        }
        defer { group.cancelAll() }
        return try await group.next() ?? []
      }
    } catch is NIOTooManyBytesError {
      throw KubeError(.malformed, "the API server sent more than \(limit) bytes")
    } catch {
      throw unreachable(error)
    }
  }

  private func unreachable(_ error: any Error) -> KubeError {
    if let error = error as? KubeError { return error }
    if Task.isCancelled || error is CancellationError { return KubeError(.unreachable, "the request to the API server was given up") }
    if error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError {
      return KubeError(
        .unreachable, "no TLS connection with the API server \(endpoint.url): its certificate is not trusted, or ours is not")
    }
    return KubeError(.unreachable, "the API server \(endpoint.url) cannot be reached: \(reason(error))")
  }

  private func reason(_ error: any Error) -> String {
    switch error as? HTTPClientError {
    case .connectTimeout?, .tlsHandshakeTimeout?, .httpProxyHandshakeTimeout?, .getConnectionFromPoolTimeout?: "no connection in time"
    case .deadlineExceeded?, .readTimeout?, .writeTimeout?: "no answer within \(limits.timeout.components.seconds) s"
    case .remoteConnectionClosed?: "it closed the connection"
    default: error is NIOConnectionError ? "nothing answers at this address" : "the connection broke off"
    }
  }

  // MARK: Certificates

  /// Another certificate needs other connections: HTTPClient keeps them apart by their configuration.
  private func configuration(_ certificate: Credential.Certificate, _ number: UInt64) throws(KubeError) -> TLSConfiguration {
    if let own = own.withLock({ $0 }), own.number == number { return own.tls }
    var tls = self.tls
    do {
      tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(certificate.chain).map { .certificate($0) }
      tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: certificate.key.reveal(), format: .pem))
    } catch {
      throw KubeError(.unauthenticated, "the client certificate for \(endpoint.url) or its key is not PEM")
    }
    own.withLock { [tls] own in own = (number, tls) }
    return tls
  }
}

extension TimeAmount {
  init(_ duration: Duration) { self = .microseconds(duration.wholeMicroseconds) }
}
