import FoundationEssentials
import PalanaAPI
import PalanaAudit
import PalanaControlAPI
import PalanaCore
import Testing

@Suite struct WireTypeTests {
  @Test(arguments: [
    (#"{"agent":"demo"}"#, KillTarget.agent("demo")), (#"{"template":"t"}"#, .template("t")),
    (#"{"all":true}"#, .all),
  ])
  func killTargets(json: String, target: KillTarget) throws {
    #expect(try JSONDecoder().decode(KillTarget.self, from: Data(json.utf8)) == target)
    #expect(try JSONDecoder().decode(KillTarget.self, from: JSONEncoder().encode(target)) == target)
  }

  @Test(arguments: [
    "{}", #"{"all":false}"#, #"{"agent":"a","all":true}"#, #"{"agent":"a","owner":"b"}"#, #"{"owner":""}"#, "[]",
  ])
  func ambiguousKillTargetsAreRefused(json: String) {
    #expect(throws: (any Error).self) { try JSONDecoder().decode(KillTarget.self, from: Data(json.utf8)) }
  }

  @Test func secretValuesAreRedactedAndTravelOnlyInTheClientsPayload() throws {
    let payload = try SecretPayload.add(
      name: "GITHUB_PAT", access: .proxyOnly, values: ["token": Redacted("s3cr3t")], hosts: ["api.github.com"],
      places: nil, placeholder: nil)
    #expect("\(payload)" == "‹redacted›")
    let request = try JSONDecoder().decode(SecretAddRequest.self, from: Data(payload.reveal()))
    #expect(request.values["token"]?.reveal() == "s3cr3t")
    #expect(request.hosts == ["api.github.com"])
    #expect(!String(reflecting: request).contains("s3cr3t"))
    #expect((request as Any) is any Encodable == false)
    let rotation = try JSONDecoder().decode(
      SecretRotateRequest.self, from: Data(try SecretPayload.rotate(values: ["k": Redacted("v")]).reveal()))
    #expect(rotation.values["k"]?.reveal() == "v")
    #expect((rotation as Any) is any Encodable == false)
  }

  @Test func auditRequestsBecomeQueryItemsOfTheTable() throws {
    let known = Set(Operation.audit.route.query.map(\.name))
    let request = AuditRequest(
      AuditQuery(
        agent: "demo", owner: try UserIdentity("a@b"), host: "x", component: .egress, decision: .deny,
        severity: .critical, pod: "g-0", since: Timestamp(seconds: 0), until: Timestamp(seconds: 1), afterSeq: 1, beforeSeq: 9, limit: 5),
      follow: true)
    #expect(Set(request.queryItems.map(\.name)) == known)
  }

  @Test func codesHaveStatuses() {
    let statuses = Dictionary(uniqueKeysWithValues: PalanaError.Code.allCases.map { ($0, $0.httpStatus) })
    #expect(
      statuses == [.invalid: 400, .denied: 403, .notFound: 404, .conflict: 409, .failed: 500, .unreachable: 503])
  }
}
