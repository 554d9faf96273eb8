import FoundationEssentials
import PalanaCore
import PalanaPolicy

/// The input document of a guardrail. Every field is always present and never null, because in Rego a missing field
/// makes a rule undefined, and a deny rule that is undefined does not fire.
///
/// ```json
/// {"agent":   {"id": "demo-1f0a93c27b", "name": "demo", "owner": "alice@example.com", "template": "python",
///              "labels": {}},
///  "request": {"stage": "request", "scheme": "https", "host": "api.github.com", "port": 443,
///              "method": "GET", "path": "/repos/palana/palana"}}
/// ```
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

  var agent: Agent
  var request: Request

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
  }

  /// As JSON text; nil if it cannot be encoded.
  var json: String? { (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } }
}

extension GuardrailInput {
  /// Invented requests of both stages, with which a new generation of policies is tried before it is used.
  static let rehearsal = [
    #"{"agent":{"id":"x-0000000000","name":"x","owner":"x","template":"","labels":{}},"#
      + #""request":{"stage":"authority","scheme":"https","host":"x.invalid","port":443,"method":"","path":""}}"#,
    #"{"agent":{"id":"x-0000000000","name":"x","owner":"x","template":"","labels":{}},"#
      + #""request":{"stage":"request","scheme":"https","host":"x.invalid","port":443,"method":"GET","path":"/"}}"#,
  ]
}
