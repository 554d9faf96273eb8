import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: numbers, times and words")
struct OutputTests {
  @Test(
    "ages",
    arguments: [
      (0, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (135, "2m15s"), (600, "10m"), (7199, "119m"), (7200, "2h"),
      (7920, "2h12m"),
      (36_000, "10h"), (172_799, "47h"), (172_800, "2d"), (34_560_000, "400d"), (-5, "0s"),
    ])
  func ages(_ seconds: Int64, _ expected: String) {
    #expect(Age.text(.seconds(seconds)) == expected)
  }

  @Test(
    "decimals",
    arguments: [
      (0.04, "0.0"), (0.05, "0.1"), (1.94, "1.9"), (38.2, "38.2"), (5000.0, "5000.0"), (-0.26, "-0.3"), (1e300, "?"),
    ])
  func decimals(_ value: Double, _ expected: String) {
    #expect(Age.decimal(value) == expected)
  }

  @Test(
    "moments",
    arguments: [
      ("10m", -600), ("1h30m", -5400), ("2d", -172_800), ("2026-11-21T00:59:00Z", -60),
      ("2026-11-21T02:00:00+01:00", 0),
    ])
  func moments(_ text: String, _ offset: Int64) throws {
    let now = CommandRunner.now
    #expect(try PointInTime.parse(text, option: "--since", now: now) == now + .seconds(offset))
  }

  @Test("moments that are none", arguments: ["", "soon", "10", "-5m", "2026-13-01T00:00:00Z"])
  func noMoments(_ text: String) {
    #expect(throws: PalanaError.self) { try PointInTime.parse(text, option: "--since", now: CommandRunner.now) }
  }

  @Test("command lines are quoted as a shell reads them")
  func commands() {
    #expect(CommandText.text(["sh", "-c", "echo 'a b'", ""]) == #"sh -c 'echo '\''a b'\''' ''"#)
  }

  @Test(
    "HOST[:PORT]",
    arguments: [
      ("api.github.com", "api.github.com", nil), ("a:8443", "a", 8443), ("*.example.com:80", "*.example.com", 80),
      ("[::1]:443", "::1", 443),
      ("[::1]", "::1", nil), ("2001:db8::1", "2001:db8::1", nil),
    ] as [(String, String, Int?)])
  func hosts(_ text: String, _ host: String, _ port: Int?) throws {
    let place = try HostAndPort(text)
    #expect(place.host == host && place.port == port)
  }

  @Test(
    "not HOST[:PORT]",
    arguments: ["", ":443", "a:", "a:0", "a:65536", "a:+1", "a:x", "https://a", "[::1", "[::1]x", "a/b"])
  func noHosts(_ text: String) {
    #expect(throws: PalanaError.self) { try HostAndPort(text) }
  }

  @Test("names of peering rules fit and differ")
  func peers() throws {
    #expect(try PeerName.text(from: "a", to: "b") == "a-to-b")
    let long = String(repeating: "x", count: 40)
    let first = try PeerName.text(from: long, to: long)
    let second = try PeerName.text(from: String(long.dropLast()) + "y", to: long)
    #expect(first != second)
    #expect((try? ResourceName(first)) != nil && (try? ResourceName(second)) != nil)
  }

  @Test("kinds in every spelling")
  func kinds() throws {
    for kind in KindName.allCases {
      for spelling in kind.spellings + [kind.rawValue, kind.rawValue.uppercased()] {
        #expect(try KindName(spelled: spelling) == kind)
      }
    }
    #expect(throws: PalanaError.self) { try KindName(spelled: "pod") }
    #expect(try ResourceReference(["demo"]) == ResourceReference(kind: .agent, name: "demo"))
    #expect(try ResourceReference(["tpl/x"]) == ResourceReference(kind: .agentTemplate, name: "x"))
    #expect(try ResourceReference(["policies", "x"]) == ResourceReference(kind: .egressPolicy, name: "x"))
    for words in [[], ["a", "b", "c"], ["Upper"], ["agent/"], ["agent/../x"]] {
      #expect(throws: PalanaError.self) { try ResourceReference(words) }
    }
  }

  @Test("lines are cut wherever the pieces end")
  func lines() throws {
    let text = Array("a\n\nbc\nd".utf8)
    for size in 1...text.count {
      var splitter = LineSplitter()
      var lines: [String] = []
      for start in stride(from: 0, to: text.count, by: size) {
        lines += try splitter.push(Array(text[start..<min(start + size, text.count)])).map {
          String(decoding: $0, as: UTF8.self)
        }
      }
      #expect(lines == ["a", "bc"])
      #expect(splitter.finish() == Array("d".utf8))
    }
    var bounded = LineSplitter(limit: 4)
    #expect(throws: PalanaError.self) { try bounded.push(Array("12345".utf8)) }
  }
}
