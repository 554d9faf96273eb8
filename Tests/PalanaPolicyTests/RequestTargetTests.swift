import Testing

@testable import PalanaPolicy

@Suite struct RequestTargetTests {
  @Test(
    arguments: [
      ("/", "/", nil), ("/a/b", "/a/b", nil), ("/a?b=c", "/a", "b=c"), ("/?", "/", ""), ("/a?b?c", "/a", "b?c"),
      ("/a?x=../..%2f\\", "/a", "x=../..%2f\\"), ("/%41%2d%7E", "/A-~", nil), ("/%c3%a9", "/%C3%A9", nil),
      ("/a%20b", "/a%20b", nil),
      ("//a///b", "//a///b", nil), ("/a;x=1/b", "/a;x=1/b", nil), ("/a:b@c", "/a:b@c", nil), ("/.../a", "/.../a", nil),
      ("/.a", "/.a", nil), ("/a.", "/a.", nil), ("/a..b", "/a..b", nil), ("/..a/", "/..a/", nil),
      ("/a%25b", "/a%25b", nil),
      ("/%25zz", "/%25zz", nil), ("/{a}|^", "/{a}|^", nil),
      ("/.", "/", nil), ("/./", "/", nil), ("/a/./b", "/a/b", nil), ("/a/.", "/a/", nil), ("/./././a?./.", "/a", "./."),
      ("/.//a", "//a", nil), ("/./%41/./b", "/A/b", nil), ("/%41/.", "/A/", nil), ("/debian/./Packages.gz", "/debian/Packages.gz", nil),
    ] as [(String, String, String?)])
  func origin(text: String, path: String, query: String?) throws {
    let target = try RequestTarget.parse(text)
    #expect(target.form == .origin)
    #expect(target.path.description == path)
    #expect(target.query == query)
    #expect(try RequestTarget.parse(target.originForm) == target)
  }

  @Test(arguments: [
    ("http://Example.com/a?b", EgressRequest.Scheme.http, "example.com:80", "/a?b"),
    ("HTTPS://example.com", .https, "example.com:443", "/"), ("http://example.com?x", .http, "example.com:80", "/?x"),
    ("http://[::1]:8080/", .http, "[::1]:8080", "/"), ("http://1.2.3.4:81", .http, "1.2.3.4:81", "/"),
  ])
  func absolute(text: String, scheme: EgressRequest.Scheme, authority: String, origin: String) throws {
    let target = try RequestTarget.parse(text)
    #expect(target.form == .absolute(scheme, try Authority.parse(connectTarget: authority)))
    #expect(target.originForm == origin)
  }

  @Test func asterisk() throws {
    #expect(try RequestTarget.parse("*").form == .asterisk)
    #expect(try RequestTarget.parse("*").originForm == "*")
  }

  @Test(
    arguments: [
      ("", .targetForm), ("a", .targetForm), ("**", .targetForm), ("example.com:443", .targetForm),
      ("http:/a", .targetForm),
      ("http:a", .targetForm), ("ftp://a/", .targetScheme), ("ws://a/", .targetScheme), ("://a/", .targetScheme),
      ("http://", .empty),
      ("http:///a", .empty), ("http://user@a/", .userInformation), ("http://user:pass@a/", .portMalformed),
      ("http://a:0/", .portMalformed),
      ("http://127.1/", .addressSpelling), ("http://a#b", .fragment), ("/a#b", .fragment), ("/a?b#c", .fragment),
      ("/a b", .control), ("/a?b c", .control), ("/a\u{0}", .control), ("/a\r\nX: y", .control), ("/é", .notASCII),
      ("/a?é", .notASCII),
      ("/a\\b", .backslash), ("/%", .percentEncoding), ("/%4", .percentEncoding), ("/%zz", .percentEncoding),
      ("/%+1", .percentEncoding),
      ("/a%2fb", .encodedSeparator), ("/a%2Fb", .encodedSeparator), ("/a%5cb", .encodedSeparator),
      ("/a/%2e%2e/b", .encodedSeparator),
      ("/%2E", .encodedSeparator), ("/a%00", .encodedSeparator), ("/a%0d%0a", .encodedSeparator),
      ("/a%7f", .encodedSeparator),
      ("/%252e%252e/", .encodedSeparator), ("/%252f", .encodedSeparator), ("/%255C", .encodedSeparator),
      ("/%25252e", .encodedSeparator),
      ("/%2500", .encodedSeparator), ("/%c0%ae", .encodedSeparator), ("/%C1%9C", .encodedSeparator),
      ("/..", .dotSegment), ("/../", .dotSegment), ("/./../", .dotSegment), ("/.././a", .dotSegment), ("/a/.?..#", .fragment),
      ("/a/../b", .dotSegment), ("/a/..", .dotSegment),
      ("/..;/a", .dotSegment), ("/.;x=1/a", .dotSegment), ("/a/..;", .dotSegment), ("/%61/../b", .dotSegment),
      ("http://a/../b", .dotSegment),
      ("//..", .dotSegment),
      ("/" + String(repeating: "a", count: 40_000), .targetTooLong),
      ("/?" + String(repeating: "a", count: 40_000), .targetTooLong),
    ] as [(String, CanonicalizationError.Problem)])
  func refused(text: String, problem: CanonicalizationError.Problem) {
    let error = #expect(throws: CanonicalizationError.self) { try RequestTarget.parse(text) }
    #expect(error?.problem == problem)
  }

  @Test(arguments: [("/@scope%2fname", "/@scope%2Fname"), ("/a%2Fb?x", "/a%2Fb")])
  func encodedSlashesCanBeKept(text: String, path: String) throws {
    #expect(try RequestTarget.parse(text, encodedSlashes: .kept).path.description == path)
  }

  @Test(arguments: [
    "/a/..%2fb", "/..%2f", "/a%2f..", "/%2f../", "/a%2f.%2fb", "/a%2f./b", "/a/.%2fb", "/a%2f.", "/a%2f..;x/", "/%2e%2e%2f", "/%252f",
  ])
  func keptSlashesStillEndSegments(text: String) {
    #expect(throws: CanonicalizationError.self) { try RequestTarget.parse(text, encodedSlashes: .kept) }
  }

  @Test(
    arguments: [
      ("/a/b", nil), ("/", nil), ("/a%20b", nil), ("//a", "/a"), ("/a//b///c", "/a/b/c"), ("/a;x=1/b", "/a/b"),
      ("/a;b", "/a"),
      ("/;/a", "/a"), ("/a%2Fb", "/a/b"), ("/a%2F/b", "/a/b"), ("/a;x%2Fb", "/a/b"), ("/a/", nil), ("/a//", "/a/"),
    ] as [(String, String?)])
  func lenientReadings(path: String, reading: String?) {
    #expect(CanonicalPath.lenientReading(of: path) == reading)
  }

  /// Whatever comes in: no trap, stable, and nothing left that another parser could read as a way up.
  @Test func fuzz() throws {
    var random = SeededGenerator(3)
    let pieces = [
      "/", "a", "B", ".", "..", ";", "%", "%2e", "%2f", "%41", "%25", "2e", "%C3", "?", "#", "\\", "\u{0}", " ", "é",
      "*", "http://", "h", ":80",
      "%zz", "~", "=",
    ]
    var accepted = 0
    for _ in 0..<60_000 {
      let text = "/" + random.text(pieces, length: 10)
      for slashes in [CanonicalPath.EncodedSlashes.refused, .kept] {
        guard let target = try? RequestTarget.parse(text, encodedSlashes: slashes) else { continue }
        accepted += 1
        #expect(try RequestTarget.parse(target.originForm, encodedSlashes: slashes) == target)
        let readings = [target.path.description, CanonicalPath.lenientReading(of: target.path.description) ?? "/"]
        for reading in readings {
          #expect(reading.hasPrefix("/"))
          #expect(!reading.split(separator: "/").contains { $0 == "." || $0 == ".." })
        }
        #expect(CanonicalPath.lenientReading(of: readings[1]) == nil)
      }
    }
    #expect(accepted > 1000)
  }
}
