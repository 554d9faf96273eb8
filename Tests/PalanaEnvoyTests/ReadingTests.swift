import Foundation
import PalanaAPI
import PalanaCore
import PalanaPolicy
import Testing

@testable import PalanaEgress
@testable import PalanaEnvoy

/// What Envoy says, and what is made of it.
@Suite struct ReadingTests {
  @Test(arguments: [
    ("via_upstream", "", "complete"), ("websocket_handshake_unsuccessful", "", "complete"),
    ("downstream_remote_disconnect", "", "aborted"),
    ("upstream_reset_before_response_started{…|TLS_error:…CERTIFICATE_VERIFY_FAILED…}", "", "failed(upstreamCertificateInvalid)"),
    ("upstream_reset_before_response_started{}", "TLS_error: CERTIFICATE_VERIFY_FAILED", "failed(upstreamCertificateInvalid)"),
    ("upstream_reset_before_response_started{remote_connection_failure|…refused}", "", "failed(upstreamUnreachable)"),
    ("upstream_reset_before_response_started{connection_timeout}", "", "failed(upstreamTimeout)"),
    ("upstream_reset_after_response_started{connection_termination}", "", "failed(upstreamProtocolError)"),
    ("upstream_reset_before_response_started{overflow}", "", "failed(limitExceeded)"), ("stream_idle_timeout", "", "idle"),
    ("http1.codec_error", "", "failed(malformedRequest)"), ("something_new", "", "failed(upstreamProtocolError)"),
  ])
  func ends(details: String, failure: String, outcome: String) {
    let text = "\(EndReading.outcome(details: details, failure: failure))".replacing("PalanaPolicy.DenialReason.", with: "")
    #expect(text == outcome)
  }

  @Test(arguments: [
    ("ext_authz_error", 503, DenialReason.policyUnavailable), ("http1.headers_too_large", 431, .headersTooLarge),
    ("request_header_timeout", 408, .requestTimeout), ("http1.codec_error", 400, .malformedRequest),
    ("route_not_found", 404, .malformedRequest),
  ])
  func refusals(details: String, status: Int, reason: DenialReason) {
    #expect(EndReading.refusal(details: details, status: status) == reason)
  }

  @Test(arguments: [
    ("allowed.test", "", "fine"), ("allowed.test", "TLS_error:|…:Connection reset by peer:TLS_error_end", "fine"),
    ("allowed.test", "TLS_error:|…:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end", "failed"),
    ("", "TLS_error|error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end", "notTLS"), ("", "", "fine"),
  ])
  func handshakes(name: String, failure: String, outcome: String) {
    #expect("\(EndReading.handshake(serverName: name, failure: failure).outcome)" == outcome)
  }

  @Test(arguments: [
    ("Bearer T", ["Bearer T"]), ("Bearer T,Bearer U", ["Bearer T", "Bearer U"]), ("Basic a, Basic b", ["Basic a", "Basic b"]),
    ("Digest username=\"a\", realm=\"b\"", ["Digest username=\"a\", realm=\"b\""]), ("", [""]), (",", [","]),
  ])
  func joinedCredentials(value: String, parts: [String]) {
    #expect(AuthorizationService.credentials(Array(value.utf8)) == parts.map { Array($0.utf8) })
  }

  @Test func ticketsChangeWhenConnectionsHaveToEnd() throws {
    var chains = AgentChains()
    let a = try agent("a", "10.77.0.5")
    let b = try agent("b", "10.77.0.6")
    var changed = chains.update([a, b], cut: [], limit: 8)
    #expect(changed)
    let first = try #require(chains.chains[a.id])
    #expect(chains.agent(of: first.ticket) == a.id)
    changed = chains.update([a, b], cut: [], limit: 8)
    #expect(!changed)
    // Another address, a cut, and a kill each make the old ticket void; the other agent keeps its own.
    let other = try #require(chains.chains[b.id])
    let moved = try agent("a", "10.77.0.7")
    changed = chains.update([moved, b], cut: [], limit: 8)
    #expect(changed && chains.agent(of: first.ticket) == nil)
    let second = try #require(chains.chains[a.id])
    changed = chains.update([moved, b], cut: [a.id], limit: 8)
    #expect(changed && chains.agent(of: second.ticket) == nil)
    let third = try #require(chains.chains[a.id])
    changed = chains.renew([a.id])
    #expect(changed && chains.agent(of: third.ticket) == nil)
    changed = chains.update([try agent("a", "10.77.0.7", killed: true), b], cut: [], limit: 8)
    #expect(changed && chains.chains[a.id] == nil)
    #expect(chains.chains[b.id] == other)
  }

  @Test func theCertificatesThatEnvoyHoldsAreBounded() {
    let stream = DiscoveryStream(secretLimit: 2)
    stream.want(["a", "b", "c"], noLonger: [])
    // The rest comes when Envoy asks again.
    #expect(stream.takeWanted() == ["a", "b"])
    #expect(stream.takeWanted() == [])
    for name in ["a", "b"] { stream.hold(name) }
    #expect(stream.makeRoom(besides: "b") == [])
    stream.hold("c")
    #expect(stream.makeRoom(besides: "c") == ["a"])
    stream.want([], noLonger: ["b"])
    #expect(stream.takeOld(.now + .seconds(1)) == ["c"])
    #expect(stream.takeOld(.now + .seconds(1)) == [])
  }

  @Test func theLinesOfItsLogAreBoundedAndPlain() {
    var lines = LogLines()
    let first = lines.add(Array("one\u{1b}[31m\ntw".utf8))
    let second = lines.add(Array("o\n".utf8))
    let third = lines.add([UInt8](repeating: 65, count: 5000))
    #expect(first == ["one[31m"] && second == ["two"])
    #expect(third.map(\.count) == [1024])
  }

  @Test func theMessagesAreWhatTheirDescriptionsSay() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let plugin = root.appending(path: ".build/debug/protoc-gen-swift").path
    // Built by scripts/generate-proto; a test does not build.
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/protoc"), FileManager.default.isExecutableFile(atPath: plugin)
    else { return }
    let process = Process()
    process.executableURL = root.appending(path: "scripts/generate-proto")
    process.arguments = ["--check"]
    process.currentDirectoryURL = root
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  private func agent(_ name: String, _ address: String, killed: Bool = false) throws -> EgressAgent {
    let owner = try UserIdentity("alice@example.com")
    let resource = try ResourceName(name)
    return EgressAgent(
      subject: PolicySubject(
        id: AgentID(owner: owner, name: resource), name: resource, owner: owner, template: nil, labels: [:]),
      source: try #require(IPAddress(address)), proxyToken: Redacted("t"),
      decisions: DecisionCore(rules: try CompiledRules([])), bindings: [], isKilled: killed)
  }
}
