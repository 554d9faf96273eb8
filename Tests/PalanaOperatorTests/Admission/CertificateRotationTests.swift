import Foundation
import PalanaCore
import Testing
import X509

@testable import PalanaOperator

/// Which certificates there are at which moment, over two years.
@Suite struct CertificateRotationTests {
  private static let rotation = CertificateRotation(
    names: ["palana-webhooks.palana-system.svc", "127.0.0.1"], lifetimes: CertificateLifetimes())
  private static let start = Timestamp(seconds: 1_800_000_000)

  private static func signer(_ certificates: WebhookCertificates) -> Int? {
    let serving = certificates.serving.certificate
    return certificates.authorities.firstIndex { $0.certificate.publicKey.isValidSignature(serving.signature, for: serving) }
  }

  @Test func theFirstIsUsedAtOnceAndKept() throws {
    let first = try #require(try Self.rotation.next(nil, now: Self.start))
    #expect(first.authorities.count == 1 && Self.signer(first) == 0)
    #expect(try Self.rotation.next(first, now: Self.start) == nil)
    #expect(try Self.rotation.next(first, now: Self.start + .seconds(86_400)) == nil)
    // Other names, another certificate; the authority stays.
    let other = try #require(try CertificateRotation(names: ["other"], lifetimes: CertificateLifetimes()).next(first, now: Self.start))
    #expect(
      other.authorities.map(\.certificate) == first.authorities.map(\.certificate) && other.serving.certificate != first.serving.certificate
    )
  }

  @Test func itSurvivesTheSecret() throws {
    let first = try #require(try Self.rotation.next(nil, now: Self.start))
    let read = try #require(WebhookCertificates(secret: try first.secret().reveal()))
    #expect(
      read.serving.certificate == first.serving.certificate && read.authorities.map(\.certificate) == first.authorities.map(\.certificate))
    #expect(try Self.rotation.next(read, now: Self.start) == nil)
    // What somebody else wrote there is not used.
    let fields = try #require(try first.secret().reveal().object)
    let another = try #require(try Self.rotation.next(nil, now: Self.start)).secret().reveal()
    for name in fields.keys {
      for value in [nil, "", "!", "TUE=", another[name]] as [JSONValue?] {
        var broken = fields
        broken[name] = value
        #expect(WebhookCertificates(secret: .object(broken)) == nil, "\(name)")
      }
    }
    #expect("\(try first.secret())\(first.serving.key)" == "‹redacted›‹redacted›")
  }

  /// At every moment, what is shown can be verified with what was trusted an overlap ago, and is not over.
  @Test func whateverIsShownIsTrustedByThoseWhoAreLate() async throws {
    var current: WebhookCertificates?
    var bundles: [(since: Timestamp, keys: [Certificate.PublicKey])] = []
    var changes = 0
    for step in 0..<(730 * 24 * 2) {
      let now = Self.start + .seconds(step * 1800)
      if let next = try Self.rotation.next(current, now: now) {
        current = next
        changes += 1
        bundles.append((now, next.authorities.map(\.certificate.publicKey)))
      }
      guard step.isMultiple(of: 16), let current else { continue }
      let late = try #require(bundles.last { $0.since + CertificateLifetimes().overlap <= now } ?? bundles.first)
      let serving = current.serving.certificate
      try #require(late.keys.contains { $0.isValidSignature(serving.signature, for: serving) }, "after \(step) half hours")
      try #require(current.serving.until > now && current.authorities.allSatisfy { $0.until > now })
      if step.isMultiple(of: 1024) { await Task.yield() }
    }
    #expect((10...40).contains(changes), "\(changes)")
  }

  @Test func whatIsOverIsMadeAnew() throws {
    let first = try #require(try Self.rotation.next(nil, now: Self.start))
    let later = try #require(try Self.rotation.next(first, now: Self.start + .seconds(400 * 86_400)))
    #expect(later.authorities.count == 1 && later.authorities[0].certificate != first.authorities[0].certificate && Self.signer(later) == 0)
  }
}
