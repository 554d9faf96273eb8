import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOFoundationCompat
import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore
import PalanaStore
import Testing

/// An answer of the control API.
struct Answer: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var bytes: [UInt8]

  var text: String { String(decoding: bytes, as: UTF8.self) }
  var json: JSONValue { get throws { try JSONValue(parsing: bytes) } }
  var lines: [JSONValue] {
    get throws { try bytes.split(separator: 10).map { try JSONValue(parsing: Array($0)) } }
  }
  /// The code of the error envelope; nil when it is none.
  var code: String? { (try? json)?["error"]?["code"]?.string }

  func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
    try JSONDecoder().decode(type, from: Data(bytes))
  }
}

extension ControlWorld {
  /// Calls an operation through a person's socket.
  @discardableResult
  func call(
    _ operation: PalanaControlAPI.Operation, as person: Person = .root, _ parameters: [String: String] = [:],
    query: [(name: String, value: String)] = [], body: String? = nil, bytes: [UInt8]? = nil,
    headers: [(String, String)] = []
  ) async throws -> Answer {
    let route = operation.route
    return try await send(
      route.verb.rawValue, "http+unix://\(PercentEncoding.encode(socket(person)))",
      route.path(parameters) + PercentEncoding.query(query), body: bytes ?? body.map { Array($0.utf8) },
      headers: headers)
  }

  /// Sends anything anywhere.
  func send(
    _ method: String, _ base: String, _ path: String, body: [UInt8]? = nil, headers: [(String, String)] = []
  ) async throws -> Answer {
    var request = HTTPClientRequest(url: base + path)
    request.method = HTTPMethod(rawValue: method)
    request.headers = HTTPHeaders(headers)
    if let body {
      request.body = .bytes(ByteBuffer(bytes: body))
      if !request.headers.contains(name: "content-type") {
        request.headers.add(name: "content-type", value: "application/json")
      }
    }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
    let bytes = try await response.body.collect(upTo: 64 << 20)
    return Answer(
      status: Int(response.status.code), headers: response.headers, bytes: Array(bytes.readableBytesView))
  }

  var tcpBase: String { "http://127.0.0.1:\(port)" }

  /// Creates an agent that does not run.
  func makeAgent(_ name: String, of person: Person) async throws {
    let answer = try await call(.createAgent, as: person, body: Self.agent(name))
    #expect(answer.status == 201, "\(answer.text)")
  }

  static func agent(_ name: String, spec: String = #"{"lifecycle":{"desired":"Stopped"}}"#) -> String {
    #"{"apiVersion":"palana.dev/v1alpha1","kind":"Agent","metadata":{"name":"\#(name)"},"spec":\#(spec)}"#
  }

  func id(_ name: String, of person: Person) throws -> AgentID {
    AgentID(owner: try UserIdentity(person.rawValue), name: try ResourceName(name))
  }

  /// Returns when a record of the trail matches.
  func waitForAudit(_ query: AuditQuery) async throws {
    var query = query
    query.afterSeq = 0
    for try await _ in log.follow(query, scope: .everything) { return }
  }

  /// Writes a status as the engine would.
  func setStatus(
    _ name: String, of person: Person, _ phase: AgentStatus.Phase, exit: AgentStatus.LastExit? = nil
  ) async throws {
    let owner = try UserIdentity(person.rawValue)
    let agent: Agent = try await store.get(AgentSpec.self, owner: owner, name: try ResourceName(name))
    let _: Agent = try await store.updateStatus(
      AgentSpec.self, owner: owner, name: agent.metadata.name, uid: try #require(agent.metadata.uid),
      status: AgentStatus(phase: phase, lastExit: exit, observedGeneration: agent.metadata.generation))
  }
}
