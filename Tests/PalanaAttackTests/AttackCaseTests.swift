import NIOPosix
import PalanaControlAPI
import PalanaCore
import Testing

@testable import PalanaAttack

/// What stands in the table of attacks.
@Suite struct AttackCaseTests {
  private static let job = ToyServer(port: 3128).job

  @Test func thereAreManyOfEveryFamilyAndEachHasAName() {
    let cases = AttackCase.all(Self.job)
    #expect(cases.count > 200)
    for family in AttackFamily.allCases {
      let names = cases.filter { $0.family == family }.map(\.name)
      #expect(names.count >= 8, "\(family)")
      #expect(Set(names).count == names.count, "\(family): \(Dictionary(grouping: names) { $0 }.filter { $1.count > 1 }.keys)")
      #expect(!family.advice(agent: "demo").isEmpty)
    }
  }

  /// What would get through would arrive at a name that exists nowhere, or at an address about which policy was asked.
  @Test func nothingIsAimedAtSomebodyElse() throws {
    for one in AttackCase.all(Self.job) {
      guard case .stream(let endpoint, let bytes, _) = one.probe, endpoint == Endpoint("127.0.0.1", 3128) else {
        // The gateway's own resolver is the only other place that needs no question.
        let place = one.probe.endpoint
        #expect(one.destination != nil || place.address == "127.0.0.1", "\(one.family)/\(one.name)")
        continue
      }
      let text = String(decoding: bytes, as: UTF8.self)
      guard text.hasPrefix("CONNECT ") || text.hasPrefix("GET http://") || text.hasPrefix("POST http://") else { continue }
      let target = text.split(separator: " ", omittingEmptySubsequences: false).dropFirst().first ?? ""
      let isNowhere =
        target.contains(Self.job.name) || target.hasPrefix("localhost") || target.contains(".local:") || target.contains(".internal:")
      #expect(isNowhere || one.destination != nil, "\(one.family)/\(one.name): \(target)")
    }
  }

  @Test func whatPolicyAllowsIsLeftAlone() {
    var job = Self.job
    job.allowed = ["127.0.0.1:80", "9.9.9.9:53"]
    job.isTransparent = false
    let silent = AttackCase.all(job).filter { $0.inapplicability(job) != nil }
    #expect(silent.contains { $0.name == "connect-decimal" } && silent.contains { $0.name == "udp-quad9" })
    #expect(silent.filter { $0.family == .tls }.count >= 15)
    #expect(!silent.contains { $0.name == "connect-metadata" })
  }

  @Test func aJobTravelsWhole() throws {
    let job = try AttackJob(decoding: Self.job.encoded())
    #expect(job.token.reveal() == "token-of-the-toy" && job.neighbours == ["10.77.0.9"] && job.name == Self.job.name)
    #expect(job.isStrict && job.isTransparent)
    var lenient = Self.job
    lenient.isStrict = false
    #expect(try !AttackJob(decoding: lenient.encoded()).isStrict)
    #expect(!"\(job)".contains("token-of-the-toy"))
    for text in ["", "{}", "[]", "{\"run\":1}", "\u{0}"] {
      #expect(throws: PalanaError.self) { try AttackJob(decoding: Array(text.utf8)) }
    }
  }
}
