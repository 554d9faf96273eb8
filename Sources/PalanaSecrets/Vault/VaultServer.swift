import AsyncHTTPClient
import NIOCore
import NIOFoundationCompat
import NIOHTTP1
import NIOSSL
package import PalanaCore
import ServiceLifecycle

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// One Vault or OpenBao server: sends requests and reads answers within bounds.
///
/// It is a service that closes its connections when the group ends. No error, description or log line of it holds a
/// token, a value or a part of an answer.
package final class VaultServer: Service {
  package let address: VaultAddress
  private let limits: VaultLimits
  private let http: HTTPClient

  /// - Parameter caFile: a PEM file with the certificates that the server's may chain to, instead of the system's.
  /// - Throws: ``PalanaError`` with code `invalid` when that file cannot be used.
  package init(address: VaultAddress, caFile: String? = nil, limits: VaultLimits = VaultLimits()) throws(PalanaError) {
    self.address = address
    self.limits = limits
    var configuration = HTTPClient.Configuration()
    if let caFile {
      var tls = TLSConfiguration.makeClientConfiguration()
      do {
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(caFile))
      } catch {
        throw PalanaError(.invalid, "the certificates of the secret store in \(caFile) could not be read")
      }
      configuration.tlsConfiguration = tls
    }
    // A redirect could carry the token to another server.
    configuration.redirectConfiguration = .disallow
    configuration.httpVersion = .http1Only
    configuration.timeout.connect = TimeAmount(limits.connectTimeout)
    configuration.connectionPool.idleTimeout = .seconds(30)
    // Connecting again and again is decided here, with the caller's deadline in mind.
    configuration.connectionPool.retryConnectionEstablishment = false
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  /// Keeps the connections until graceful shutdown, then closes them.
  package func run() async throws {
    try? await gracefulShutdown()
    await close()
  }

  // A client that was never closed is closed in the background: HTTPClient insists on it, and an error in somebody's
  // initialiser must stay that error.
  deinit { http.shutdown { _ in } }

  /// Closes the connections. The server cannot be used any more. Safe to call twice.
  package func close() async { try? await http.shutdown() }

  /// What came back: the status and the body, which may hold secrets.
  struct Answer: Sendable {
    var status: UInt
    var body: Redacted<ByteBuffer>
  }

  /// Sends one request and reads the whole answer. Reads are tried again when the server could not be reached.
  ///
  /// - Parameters:
  ///   - path: below `/v1/`.
  ///   - body: JSON; may hold secrets.
  ///   - attempts: of a read; nil: as in the limits.
  ///   - timeout: of one attempt; nil: as in the limits.
  /// - Throws: ``PalanaError`` with code `unreachable` (no connection, no answer in time), or `failed` (an answer over the bound,
  ///   a certificate that is not trusted).
  func send(
    _ method: HTTPMethod, _ path: String, token: Redacted<String>? = nil, body: Redacted<ByteBuffer>? = nil,
    contentType: String = "application/json", attempts: Int? = nil, timeout: Duration? = nil
  ) async throws(PalanaError) -> Answer {
    var request = HTTPClientRequest(url: "\(address.base)/v1/\(path)")
    request.method = method
    // A socket has no name that the client could put there by itself, and HTTP/1.1 requires one.
    if case .socket = address.form { request.headers.add(name: "Host", value: "localhost") }
    request.headers.add(name: "X-Vault-Request", value: "true")
    if let token { request.headers.add(name: "X-Vault-Token", value: token.reveal()) }
    if let body {
      request.headers.add(name: "Content-Type", value: contentType)
      request.body = .bytes(body.reveal())
    }
    let isRead = method == .GET || method == .RAW(value: "LIST")
    var attempt = 1
    while true {
      do throws(PalanaError) {
        return try await once(request, timeout: timeout ?? limits.timeout)
      } catch {
        guard isRead, error.code == .unreachable, attempt < attempts ?? limits.readAttempts, !Task.isCancelled else {
          throw error
        }
      }
      // 10, 40, 160 milliseconds: a restart of the server on the same machine takes about 200.
      try? await Task.sleep(for: .milliseconds(10 << (2 * (attempt - 1))))
      attempt += 1
    }
  }

  /// The client's own time limit ends with the head of the answer; a body that trickles needs one of its own.
  private func collected(_ body: HTTPClientResponse.Body, within timeout: Duration) async throws -> ByteBuffer {
    let limit = limits.responseBytes
    return try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
      group.addTask { try await body.collect(upTo: limit) }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw BodyTimeout()
      }
      defer { group.cancelAll() }
      return try await group.next() ?? ByteBuffer()
    }
  }

  private func once(_ request: HTTPClientRequest, timeout: Duration) async throws(PalanaError) -> Answer {
    do {
      let response = try await http.execute(request, timeout: TimeAmount(timeout))
      let body = try await collected(response.body, within: timeout)
      return Answer(status: response.status.code, body: Redacted(body))
    } catch is NIOTooManyBytesError {
      throw PalanaError(.failed, "the secret store sent more than \(limits.responseBytes) bytes")
    } catch let error where error is NIOSSLError || error is NIOSSLExtraError {
      // Waiting does not mend this, so it has a message of its own.
      throw PalanaError(
        .failed, "no TLS connection with the secret store at \(address): its certificate is not trusted",
        hint: "secrets.caFile names the authorities that may have issued it, and it has to name that host")
    } catch is CancellationError {
      throw PalanaError(.failed, "the request to the secret store was given up")
    } catch {
      if Task.isCancelled { throw PalanaError(.failed, "the request to the secret store was given up") }
      // The error's own text is left out: it is not ours, so nobody can promise what it quotes.
      throw PalanaError(
        .unreachable, "the secret store at \(address) cannot be reached",
        hint: "pcli status shows how it is; values are not used beyond their life meanwhile")
    }
  }
}

/// The body did not end in time.
private struct BodyTimeout: Error {}

extension TimeAmount {
  init(_ duration: Duration) { self = .microseconds(duration.wholeMicroseconds) }
}
