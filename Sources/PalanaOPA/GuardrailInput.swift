import FoundationEssentials
import PalanaCore
import PalanaPolicy

/// The input document of a guardrail. Every field is always present, and none but `git` is ever null, because in Rego a missing
/// field makes a rule undefined, and a deny rule that is undefined does not fire.
///
/// ```json
/// {"agent":   {"id": "demo-1f0a93c27b", "name": "demo", "owner": "alice@example.com", "template": "python",
///              "labels": {}},
///  "request": {"stage": "request", "scheme": "https", "host": "api.github.com", "port": 443,
///              "method": "GET", "path": "/repos/palana/palana"},
///  "git":     null}
/// ```
/// `git` is null for everything but a request of Git's smart HTTP protocol, and else
/// `{"repository": "apple/swift", "operation": "fetch", "discovery": false, "refs": []}` with every field. A push is asked about
/// twice: when it begins, with no refs, and with those that it changes before anything of it is sent on.
/// `template` is empty when there is none. At the stage `authority` (a CONNECT, before its tunnel exists) `method` and
/// `path` are empty: a policy that denies by them waits for the stage `request`, and one that allows only some requests
/// of a host says something for the stage `authority` too.
struct GuardrailInput: Encodable {
  struct Agent: Encodable {
    var id: String
    var name: String
    var owner: String
    var template: String
    var labels: [String: String]
  }

  struct Request: Encodable {
    var stage: String
    var scheme: String
    var host: String
    var port: UInt16
    var method: String
    var path: String
  }

  struct Git: Encodable {
    var repository: String
    var operation: String
    var discovery: Bool
    var refs: [String]
  }

  var agent: Agent
  var request: Request
  var git: Git?

  private enum Member: String, CodingKey { case agent, request, git }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Member.self)
    try container.encode(agent, forKey: .agent)
    try container.encode(request, forKey: .request)
    // Not left out when it is nil: it has to be there.
    try container.encode(git, forKey: .git)
  }

  /// Nil when the request lacks what its stage must have.
  init?(_ request: EgressRequest) {
    if request.stage == .request, request.method?.isEmpty ?? true || request.path?.isEmpty ?? true { return nil }
    let subject = request.subject
    agent = Agent(
      id: subject.id.text, name: subject.name.text, owner: subject.owner.raw, template: subject.template ?? "",
      labels: subject.labels)
    self.request = Request(
      stage: request.stage.rawValue, scheme: request.scheme.rawValue, host: request.authority.host.description,
      port: request.authority.port, method: request.method ?? "", path: request.path ?? "")
    git = request.git.map { operation in
      Git(
        repository: operation.repository, operation: operation.service.rawValue, discovery: operation.isDiscovery,
        refs: operation.refs ?? [])
    }
  }

  /// As JSON text; nil if it cannot be encoded.
  var json: String? { (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } }
}

extension GuardrailInput {
  /// Invented requests of both stages, with which a new generation of policies is tried before it is used.
  static let rehearsal = [
    #"{"agent":{"id":"x-0000000000","name":"x","owner":"x","template":"","labels":{}},"#
      + #""request":{"stage":"authority","scheme":"https","host":"x.invalid","port":443,"method":"","path":""},"git":null}"#,
    #"{"agent":{"id":"x-0000000000","name":"x","owner":"x","template":"","labels":{}},"#
      + #""request":{"stage":"request","scheme":"https","host":"x.invalid","port":443,"method":"GET","path":"/"},"git":null}"#,
    #"{"agent":{"id":"x-0000000000","name":"x","owner":"x","template":"","labels":{}},"#
      + #""request":{"stage":"request","scheme":"https","host":"x.invalid","port":443,"method":"POST","#
      + #""path":"/x/git-receive-pack"},"#
      + #""git":{"repository":"x","operation":"push","discovery":false,"refs":["refs/heads/x"]}}"#,
  ]
}
