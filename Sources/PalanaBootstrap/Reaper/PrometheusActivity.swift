import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import PalanaCore

/// Which agents move bytes, as a Prometheus server sees it (HTTP API v1, instant queries).
struct PrometheusActivity: Sendable {
  /// Base URL, with `http` or `https`.
  var url: String
  /// An instant query whose answer is a vector with the label `namespace`.
  var query: String
  /// From this value on an agent is active.
  var threshold: Double
  /// A file with a bearer token; nil: none is sent.
  var tokenFile: String?
  /// PEM file of the authorities that the server's certificate may chain to; nil: those of the machine.
  var caFile: String?

  /// What passes the agents' pods in either direction.
  static let usualQuery = """
    sum by (namespace) (rate(container_network_receive_bytes_total{namespace=~"agent-.+"}[5m]) \
    + rate(container_network_transmit_bytes_total{namespace=~"agent-.+"}[5m]))
    """
  /// The largest answer that is read.
  private static let largestAnswer = 32 << 20

  /// Namespaces whose value reaches the threshold.
  ///
  /// - Throws: ``PalanaError`` with code `unreachable` when the server does not answer, `failed` when the answer is something else.
  func activeNamespaces() async throws(PalanaError) -> Set<String> {
    let token = try tokenFile.map { path throws(PalanaError) in
      Redacted(try TextFile.read(path).trimmingCharacters(in: .whitespacesAndNewlines))
    }
    let body: [UInt8]
    do { body = try await ask(token) } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.unreachable, "Prometheus at \(url) does not answer: \(error)")
    }
    return try Self.read(body, threshold: threshold)
  }

  private func ask(_ token: Redacted<String>?) async throws -> [UInt8] {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    if let caFile {
      var tls = TLSConfiguration.makeClientConfiguration()
      tls.trustRoots = .file(caFile)
      configuration.tlsConfiguration = tls
    }
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    var base = url
    while base.hasSuffix("/") { base.removeLast() }
    var question = HTTPClientRequest(url: base + "/api/v1/query")
    question.method = .POST
    question.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
    if let token { question.headers.add(name: "authorization", value: "Bearer \(token.reveal())") }
    question.body = .bytes(ByteBuffer(string: "query=" + Self.encoded(query)))
    do {
      let answer = try await client.execute(question, timeout: .seconds(30))
      let bytes = try await answer.body.collect(upTo: Self.largestAnswer)
      guard answer.status == .ok else {
        throw PalanaError(.failed, "Prometheus at \(url) answers \(answer.status.code)", hint: "try the query in its own page")
      }
      try? await client.shutdown()
      return Array(bytes.readableBytesView)
    } catch {
      try? await client.shutdown()
      throw error
    }
  }

  private static func encoded(_ text: String) -> String {
    text.utf8.map { byte in
      switch byte {
      case 48...57, 65...90, 97...122, 45, 46, 95: String(decoding: [byte], as: UTF8.self)
      default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }.joined()
  }

  /// `{status: success, data: {resultType: vector, result: [{metric: {namespace}, value: [time, text]}]}}`.
  static func read(_ body: [UInt8], threshold: Double) throws(PalanaError) -> Set<String> {
    let answer: JSONValue
    do { answer = try JSONValue(parsing: body) } catch { throw PalanaError(.failed, "the answer of Prometheus is not JSON") }
    guard answer["status"] == "success", answer["data"]?["resultType"] == "vector", let result = answer["data"]?["result"]?.array else {
      throw PalanaError(.failed, "the answer of Prometheus is not a vector", hint: "the query is to give one value for each namespace")
    }
    var active: Set<String> = []
    for sample in result {
      guard let namespace = sample["metric"]?["namespace"]?.string, let text = sample["value"]?.array?.last?.string,
        let value = Double(text)
      else { throw PalanaError(.failed, "a sample of Prometheus has no namespace or no value", hint: "write sum by (namespace) (…)") }
      // Not a number is not nothing: who cannot be measured is left alone.
      if value >= threshold || value.isNaN { active.insert(namespace) }
    }
    return active
  }
}
