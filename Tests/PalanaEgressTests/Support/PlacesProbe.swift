import NIOCore
import PalanaAPI
import PalanaCore
import PalanaPolicy
import PalanaSecrets

@testable import PalanaEgress

/// What becomes of one request to `api.test`, without a network: an agent with the secret `KEY` bound in some places.
struct PlacesProbe {
  static let value = #"va"l\ue /%&=;:@+é"#
  static let placeholder = "TOKEN_KEY"

  let injector: CredentialInjector
  let secrets = FakeSecrets()
  var limit = 1000
  var clock = WallClock.system

  /// - Parameter more: further bindings, for example of an AWS credential.
  init(
    places: Set<PlaceholderBinding.Place>, host: String = "api.test", isRequired: Bool = false, value: String = Self.value,
    more: [PlaceholderBinding] = []
  ) throws {
    let binding = try Self.binding("KEY", placeholder: Self.placeholder, places: places, host: host, isRequired: isRequired)
    secrets.set("KEY", value)
    let owner = try UserIdentity("alice@example.com")
    let name = try ResourceName("a")
    let agent = EgressAgent(
      subject: PolicySubject(
        id: AgentID(owner: owner, name: name), name: name, owner: owner, template: nil, labels: [:]),
      source: .v4(0x7f00_0101), proxyToken: Redacted("t"),
      decisions: DecisionCore(rules: try CompiledRules([RuleSource(name: "agent", rules: [EgressRule(host: "api.test")])]), guardrails: []),
      bindings: [binding] + more)
    injector = CredentialInjector(
      agent: agent, authority: try Authority.parse(hostHeader: "api.test", defaultPort: 443), scheme: .https)
  }

  static func binding(
    _ key: String, placeholder: String, places: Set<PlaceholderBinding.Place>, host: String = "api.test", isRequired: Bool = false,
    signing: PlaceholderBinding.Signing? = nil
  ) throws -> PlaceholderBinding {
    PlaceholderBinding(
      placeholder: placeholder, secretName: "KEY", ref: try ref(key),
      destinations: [BoundDestination(host: try HostPattern.parse(host), port: 443)], places: places, isRequired: isRequired,
      signing: signing, revision: 1)
  }

  static func ref(_ key: String) throws -> SecretRef {
    SecretRef(
      path: SecretPath(
        area: .proxySecrets, owner: try UserIdentity("alice@example.com"), agent: try ResourceName("a"), secret: "KEY"), key: key)
  }

  /// What the upstream gets, or ``Refusal``.
  ///
  /// - Parameter line: `METHOD TARGET`.
  func send(_ line: String, _ fields: [String] = [], body: String? = nil) throws -> (head: String, body: String?) {
    try send(line, fields, bytes: body.map { Array($0.utf8) })
  }

  func send(_ line: String, _ fields: [String], bytes: [UInt8]?) throws -> (head: String, body: String?) {
    let length = bytes.map { ["content-length: \($0.count)"] } ?? []
    let text = "\(line) HTTP/1.1\r\nhost: api.test\r\n" + (fields + length).map { $0 + "\r\n" }.joined() + "\r\n"
    let head = try RequestHead(ByteBuffer(string: text), limits: EgressLimits())
    let target = try RequestTarget.parse(head.fields.text(head.target), encodedSlashes: .kept)
    let held = try injector.needsBody(head, limit: limit) ? ByteBuffer(bytes: bytes ?? []) : nil
    let plan = try injector.plan(head, target, body: held, secrets: secrets, clock: clock)
    var buffer = ByteBuffer()
    let body = plan.message?.body ?? held
    UpstreamHead.write(
      head, target: target, host: "api.test", framing: body.map { .length(Int64($0.readableBytes)) } ?? head.framing, injection: plan,
      isUpgrade: false, isScrubbed: false, into: &buffer)
    return (String(buffer: buffer), body.map { String(buffer: $0) } ?? bytes.map { String(decoding: $0, as: UTF8.self) })
  }

  /// The reason why a request is refused; nil when it passes.
  func reason(_ line: String, _ fields: [String] = [], body: String? = nil) throws -> DenialReason? {
    do {
      _ = try send(line, fields, body: body)
      return nil
    } catch let refusal as Refusal {
      return refusal.reason
    }
  }
}
