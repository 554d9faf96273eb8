import Foundation
import PalanaCore
import Synchronization
import Testing

@testable import PalanaKube

/// When a credential is made anew.
@Suite struct CredentialTests {
  @Test func aTokenFileIsReadAgainAfterAMinute() async throws {
    let path = NSTemporaryDirectory() + "/palana-kube-token-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: path) }
    let moment = Moment()
    let source = CredentialSource(.tokenFile(path), clock: WallClock { moment.now })
    func token() async throws -> String? { try await source.credential().0.authorization?.reveal() }
    await #expect(throws: KubeError.self) { try await token() }
    try "one\n".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(try await token() == "Bearer one")
    try "two\n".write(toFile: path, atomically: true, encoding: .utf8)
    moment.pass(.seconds(59))
    #expect(try await token() == "Bearer one")
    moment.pass(.seconds(2))
    #expect(try await token() == "Bearer two")
    try "".write(toFile: path, atomically: true, encoding: .utf8)
    moment.pass(.seconds(61))
    await #expect(throws: KubeError.self) { try await token() }
  }

  @Test func basicAndCertificates() async throws {
    let basic = CredentialSource(.basic(user: "me", password: Redacted("pw")), clock: .system)
    #expect(try await basic.credential().0.authorization?.reveal() == "Basic bWU6cHc=")
    let certificate = CredentialSource(.certificate([1], key: Redacted([2])), clock: .system)
    #expect(try await certificate.credential().0.certificate?.chain == [1])
    #expect(try await certificate.refused(1)?.1 == nil)
  }

  @Test func whatAPluginPrints() throws {
    func read(_ text: String) throws -> Credential {
      try ExecPlugin.read(Array(text.utf8), command: "x", apiVersion: "client.authentication.k8s.io/v1")
    }
    let head = #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":"#
    let both = try read(
      head + #"{"token":"t","clientCertificateData":"c","clientKeyData":"k","expirationTimestamp":"2026-01-01T00:00:00Z"}}"#)
    #expect(both.authorization?.reveal() == "Bearer t" && both.certificate?.key.reveal() == Array("k".utf8))
    #expect(both.expires == Timestamp(parsing: "2026-01-01T00:00:00Z"))
    for bad in [
      "", "{}", head + "{}}", head + #"{"clientCertificateData":"c"}}"#, head.replacing("/v1\"", with: "/v1beta1\"") + #"{"token":"t"}}"#,
    ] {
      #expect(throws: KubeError.self) { try read(bad) }
    }
  }
}

/// A time of day that a test moves.
final class Moment: Sendable {
  private let state = Mutex(Timestamp(seconds: 1_800_000_000))
  var now: Timestamp { state.withLock { $0 } }
  func pass(_ duration: Duration) { state.withLock { $0 = $0 + duration } }
}
