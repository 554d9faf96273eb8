import AsyncHTTPClient
import Foundation
import NIOCore
import NIOFoundationCompat
import NIOHTTP1
import NIOSSL
import PalanaControlAPI
import PalanaCore

/// The collector as this process speaks to it, for as long as the answers are good: the authorities of its certificate are read once, the
/// token for each request.
struct CollectorClient: Sendable {
  private static let largestAnswer = 64 << 10

  private let settings: CollectorSettings
  private let timeout: Duration
  private let http: HTTPClient

  /// Close it.
  /// - Throws: ``PalanaError`` with code `invalid` when the file of the authorities cannot be used.
  init(_ settings: CollectorSettings, timeout: Duration = .seconds(30)) throws(PalanaError) {
    self.settings = settings
    self.timeout = timeout
    // A redirect could carry the token to another server.
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.httpVersion = .http1Only
    configuration.timeout.connect = .seconds(5)
    // Less than the collector's own patience, so that no request meets a connection that is just being closed.
    configuration.connectionPool.idleTimeout = .seconds(15)
    configuration.connectionPool.retryConnectionEstablishment = false
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.minimumTLSVersion = .tlsv12
    if !settings.caFile.isEmpty {
      do { tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(settings.caFile)) } catch {
        throw PalanaError(.invalid, "the certificates of the collector in \(settings.caFile) could not be read")
      }
    }
    configuration.tlsConfiguration = tls
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  func close() async { try? await http.shutdown() }

  /// How far a chain was taken.
  /// - Throws: ``PalanaError``.
  func position(of chain: String) async throws(PalanaError) -> AuditPosition { try await call(.collectedAudit, chain, nil) }

  /// Hands in lines of a chain.
  /// - Throws: ``PalanaError``: `invalid` when the collector cannot read these lines or takes no so many at once.
  func send(_ lines: [UInt8], of chain: String) async throws(PalanaError) -> AuditPosition { try await call(.collectAudit, chain, lines) }

  private func call(_ operation: PalanaControlAPI.Operation, _ chain: String, _ lines: [UInt8]?) async throws(PalanaError) -> AuditPosition
  {
    let route = operation.route
    var request = HTTPClientRequest(url: settings.url + route.path() + PercentEncoding.query([("chain", chain)]))
    request.method = HTTPMethod(rawValue: route.verb.rawValue)
    let token = Redacted(try TextFile.read(settings.tokenFile).trimmingCharacters(in: .whitespacesAndNewlines))
    request.headers.add(name: "authorization", value: "Bearer \(token.reveal())")
    if let lines {
      request.headers.add(name: "content-type", value: route.request.mediaType ?? "")
      request.body = .bytes(ByteBuffer(bytes: lines))
    }
    let (status, body) = try await answer(request)
    guard status == 200, let position = try? JSONDecoder().decode(AuditPosition.self, from: Data(buffer: body)) else {
      throw refusal(status, body)
    }
    return position
  }

  private func answer(_ request: HTTPClientRequest) async throws(PalanaError) -> (UInt, ByteBuffer) {
    do {
      let response = try await http.execute(request, timeout: .milliseconds(Int64(clamping: timeout.components.seconds * 1000)))
      return (response.status.code, try await response.body.collect(upTo: Self.largestAnswer))
    } catch let error where error is NIOSSLError || error is NIOSSLExtraError {
      throw PalanaError(
        .unreachable, "no TLS connection with the collector at \(settings.url): its certificate is not trusted",
        hint: "audit.collector.caFile names the authorities that may have issued it")
    } catch {
      // The error's own text is left out: it is not ours, so nobody can promise what it quotes.
      throw PalanaError(.unreachable, "the collector at \(settings.url) cannot be reached")
    }
  }

  private func refusal(_ status: UInt, _ body: ByteBuffer) -> PalanaError {
    let said = (try? JSONValue(parsing: Array(body.readableBytesView)))?["error"]?["message"]?.string ?? ""
    let isTheBatch = status == 400 || status == 413
    return PalanaError(isTheBatch ? .invalid : .failed, "the collector answers \(status): \(said.prefix(300))")
  }
}
