package import AsyncHTTPClient
import FoundationEssentials
package import Logging
import NIOCore
import NIOFoundationCompat
import NIOHTTP1
package import PalanaCore
package import PalanaPolicy
import Synchronization

/// Guardrails evaluated by an OPA server through its REST API: `POST {server}/v1/data/palana/egress`.
///
/// The server is asked to treat failing built-ins as errors, because it would otherwise call the rule undefined, and a
/// deny rule that is undefined does not fire. A document that does not exist is an error too: it means that the server
/// has no such policy (yet), not that the policy has nothing to say. Which policies the server holds is not known here,
/// so `ttl_seconds` is what bounds how long an old answer lives. What a policy may call is the server's own
/// configuration.
package final class OPAServerGuardrail: Guardrail {
  private struct Question: Encodable { var input: GuardrailInput }
  private struct Answer: Decodable { var result: OPAValue? }

  /// The largest answer that is read.
  private static let largestAnswer = 1 << 20

  package let version: String
  private let url: String
  private let client: HTTPClient
  private let timeout: Duration
  private let mostAtOnce: Int
  private let logger: Logger
  private let complaints = FailureLog()
  private let asking = Mutex<Int>(0)

  /// - Parameters:
  ///   - server: `http://` or `https://` with host and optional port and path, without query.
  ///   - client: carries the questions, see ``makeClient()``; its owner shuts it down.
  ///   - timeout: the longest that a request waits for its answer.
  ///   - mostAtOnce: questions under way at once; more are refused.
  /// - Throws: ``PalanaError`` with code `invalid`.
  package init(
    server: String, client: HTTPClient, timeout: Duration = .seconds(1), mostAtOnce: Int = 256, logger: Logger
  ) throws(PalanaError) {
    var base = server
    while base.hasSuffix("/") { base.removeLast() }
    guard let target = try? RequestTarget.parse(base), case .absolute(let scheme, let authority) = target.form,
      target.query == nil
    else {
      throw PalanaError(
        .invalid, "the address of the OPA server is not an http or https URL",
        hint: "write for example http://127.0.0.1:8181")
    }
    let path = target.path.description == "/" ? "" : target.path.description
    url = "\(scheme.rawValue)://\(authority)\(path)/v1/data/palana/egress?strict-builtin-errors=true"
    version = "opa-\(authority)"
    self.client = client
    self.timeout = timeout
    self.mostAtOnce = max(mostAtOnce, 1)
    self.logger = logger
  }

  /// A client for this purpose: it follows no redirect, so that only the configured server ever answers.
  package static func makeClient() -> HTTPClient {
    HTTPClient(
      eventLoopGroupProvider: .singleton, configuration: HTTPClient.Configuration(redirectConfiguration: .disallow))
  }

  /// Shuts the client down. Call it once, in the end.
  package func close() async { try? await client.shutdown() }

  package func evaluate(_ request: EgressRequest) async -> GuardrailAnswer {
    guard let input = GuardrailInput(request), let body = try? JSONEncoder().encode(Question(input: input)) else {
      return .unavailable("the request lacks what guardrails are asked about")
    }
    let admitted = asking.withLock { asking in
      guard asking < mostAtOnce else { return false }
      asking += 1
      return true
    }
    guard admitted else { return .unavailable("too many requests wait for the guardrails") }
    defer { asking.withLock { $0 -= 1 } }
    do {
      let output = try GuardrailOutput(try await ask(body))
      return GuardrailAnswer(output.verdict, validFor: output.life)
    } catch let malformed as GuardrailOutput.Malformed {
      complaints.log(logger, "guardrail answer malformed", ["policy.field": "\(malformed.field)"])
      return .unavailable("the guardrail’s answer has a malformed \(malformed.field)")
    } catch {
      complaints.log(logger, "OPA server not usable", ["error.message": "\(error)"])
      return .unavailable("the guardrails could not be evaluated")
    }
  }

  /// Why the server's answer is none.
  private enum Failure: Error { case status(UInt), noDocument }

  private func ask(_ body: Data) async throws -> OPAValue {
    var question = HTTPClientRequest(url: url)
    question.method = .POST
    question.headers.add(name: "content-type", value: "application/json")
    question.body = .bytes(ByteBuffer(data: body))
    let limit = TimeAmount.nanoseconds(timeout.wholeMicroseconds * 1000)
    let response = try await client.execute(question, deadline: .now() + limit, logger: logger)
    guard response.status == .ok else { throw Failure.status(response.status.code) }
    let bytes = try await response.body.collect(upTo: Self.largestAnswer)
    let answer = try JSONDecoder().decode(Answer.self, from: Data(buffer: bytes))
    guard let result = answer.result else { throw Failure.noDocument }
    return result
  }
}
