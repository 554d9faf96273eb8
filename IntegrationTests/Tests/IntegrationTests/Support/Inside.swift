import Foundation
import Testing

/// What came back for a request that was sent from inside a sandbox.
struct Answer: Sendable {
  var status: Int
  /// The gateway's reason; nil when the answer is the upstream's.
  var reason: String?
  var body: String

  init(_ json: JSON) {
    status = Int(json["status"].number ?? 0)
    reason = json["reason"].string
    body = json["body"].string ?? ""
  }
}

/// One request to send; `headers` are pairs of a name and a value.
struct Ask: Sendable {
  var method = "GET"
  var url: String
  var headers: [[String]] = []
}

extension Platform {
  /// The client's source: it runs inside with `python3 -c`, so nothing has to be copied in.
  static let client = try? String(contentsOfFile: Checkout.root + "IntegrationTests/inside/client.py", encoding: .utf8)

  /// `https://NAME:PORT` of the upstream.
  func https(_ name: String) -> String { "https://\(name):\(upstream.httpsPort)" }

  /// `http://NAME:PORT` of the upstream.
  func http(_ name: String) -> String { "http://\(name):\(upstream.httpPort)" }

  /// Makes an agent that runs and may reach `hosts` of the upstream over HTTPS.
  func start(_ agent: String, reaching hosts: [String] = []) async throws {
    try await pcli("create", agent, "--template", "shell")
    for host in hosts { try await pcli("egress", "allow", agent, "\(host):\(upstream.httpsPort)") }
    try await pcli("run", agent)
  }

  /// Sends requests through the gateway from inside the agent, one after the other.
  func ask(_ agent: String, _ requests: [Ask]) async throws -> [Answer] {
    let list = requests.map { ["method": $0.method, "url": $0.url, "headers": $0.headers] as [String: Any] }
    let input = String(decoding: try JSONSerialization.data(withJSONObject: list), as: UTF8.self)
    let source = try #require(Self.client)
    let answers = try await pcli("exec", agent, "--", "/usr/bin/python3", "-c", source, input: input).json().array
    #expect(answers.count == requests.count)
    return answers.map(Answer.init)
  }

  func ask(_ agent: String, _ url: String, headers: [[String]] = []) async throws -> Answer {
    try #require(await ask(agent, [Ask(url: url, headers: headers)]).first)
  }

  /// Runs Python inside and returns what it printed.
  func python(_ agent: String, _ source: String) async throws -> String {
    try await pcli("exec", agent, "--", "/usr/bin/python3", "-c", source).output
  }

  /// The gateway's events of an agent, oldest first.
  func egressEvents(_ agent: String) async throws -> [JSON] {
    try await pcli("audit", "--agent", agent, "--component", "egress", "--limit", "10000", "-o", "json").jsonLines()
  }

  func phase(_ agent: String) async throws -> String? {
    try await pcli("get", "agents", agent, "-o", "json").json()["status"]["phase"].string
  }
}
