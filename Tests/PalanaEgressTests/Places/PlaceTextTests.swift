import NIOCore
import PalanaCore
import PalanaSecrets
import Testing

@testable import PalanaEgress

/// Texts in and out of their encodings.
@Suite struct PlaceTextTests {
  private func decoded(_ text: DecodedText?) -> String? { text.map { String(decoding: $0.bytes, as: UTF8.self) } }

  @Test(arguments: [
    ("plain", "plain"), ("a%20b+c", "a b c"), ("%", "%"), ("%4", "%4"), ("%zz%41", "%zzA"), ("%C3%A4", "ä"), ("%2541", "%41"), ("", ""),
  ])
  func percent(text: String, meaning: String) {
    let bytes = Array(text.utf8)
    #expect(decoded(DecodedText(percent: bytes, in: 0..<bytes.count, plusIsSpace: true)) == meaning)
  }

  @Test(arguments: [
    ("plain", "plain"), (#"\u0041\"\\\/\b\f\n\r\t"#, "A\"\\/\u{8}\u{c}\n\r\t"), (#"\ud83d\ude00"#, "😀"), (#"\ud83dx"#, "\u{fffd}x"),
    (#"\ude00"#, "\u{fffd}"), (#"\u00e4"#, "ä"), (#"\ud83d\u0041"#, "\u{fffd}A"), ("", ""),
  ])
  func json(text: String, meaning: String) {
    let bytes = Array(text.utf8)
    #expect(decoded(DecodedText(json: bytes, in: 0..<bytes.count)) == meaning)
  }

  @Test(arguments: [#"\"#, #"\x41"#, #"\u004"#, #"\u00zz"#, #"\a"#, #"\u"#])
  func malformedEscapes(text: String) {
    let bytes = Array(text.utf8)
    #expect(DecodedText(json: bytes, in: 0..<bytes.count) == nil)
  }

  @Test func theWayBackIsTheWholeSpelling() throws {
    let source = Array(#"x\u0054OK\/\ud83d\ude00y"#.utf8)
    let text = try #require(DecodedText(json: source, in: 0..<source.count))
    for (part, spelling) in [("T", #"\u0054"#), ("TOK", #"\u0054OK"#), ("/", #"\/"#), ("😀", #"\ud83d\ude00"#), ("y", "y")] {
      let needle = Array(part.utf8)
      let place = Bytes.firstIndex(of: needle.span, in: text.bytes.span, from: 0)
      let found = try #require(place)
      #expect(String(decoding: source[text.source(of: found..<(found + needle.count))], as: UTF8.self) == spelling)
    }
  }

  @Test(arguments: [
    (ValueEncoding.plain, "a b", "a b" as String?), (.plain, "a\"b", nil), (.plain, "a\\b", nil),
    (.percent, "a b/ä%&=~._-", "a%20b%2F%C3%A4%25%26%3D~._-"),
    (.segment, "123:AB@c;d=e", "123:AB@c%3Bd%3De"), (.segment, "a/b", nil), (.segment, "a\\b", nil),
    (.json, "a\"b\\c\td", #"a\"b\\c\td"#), (.json, "ä/", "ä/"), (.field, "a\"\\ b", "a\"\\ b"), (.field, "", nil), (.json, "a\nb", nil),
    (.percent, "a\u{0}", nil),
    (.json, "\u{7f}", nil),
  ])
  func values(encoding: ValueEncoding, value: String, written: String?) {
    #expect(encoding.encode(Redacted(value)).map { String(decoding: $0, as: UTF8.self) } == written)
  }

  // MARK: JSON

  private func strings(_ text: String) -> [String]? {
    var found: [String] = []
    let bytes = Array(text.utf8)
    do {
      try JSONStrings.walk(bytes) { found.append(($1 ? "name " : "") + String(decoding: bytes[$0], as: UTF8.self)) }
    } catch { return nil }
    return found
  }

  @Test(arguments: [
    (#"{"a":"b","c":["d",{"e":"f"}],"g":{}}"#, ["name a", "b", "name c", "d", "name e", "f", "name g"]), (#""x""#, ["x"]),
    (" [ 1 , -0.5e+3 , true , false , null , [ ] , \"\\\"\" ] ", [#"\""#]), ("0", []), (#"{"":""}"#, ["name ", ""]),
    (#"[{"a":1},{"a":2}]"#, ["name a", "name a"]),
  ])
  func walksThroughADocument(text: String, found: [String]) { #expect(strings(text) == found) }

  @Test(arguments: [
    "", " ", "{", "}", "[", "[1", "[1,]", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{a:1}"#, "{'a':1}", "[1 2]", "01", "1.", ".5", "+1",
    "1e", "NaN", "tru", "truex", "\"a", "\"\\\"", "\"a\nb\"", "\"\\x41\"", "\"\\u12\"", "[1]x", "{} {}", "//c\n1", "/*c*/1", "[1]]",
    "{\"a\":1]",
    "\u{feff}{}", #"{"a":1,"a":2}"#, #"{"a":1,"\u0061":2}"#, "\u{0}", "1,2",
    String(repeating: "[", count: 200) + String(repeating: "]", count: 200),
  ])
  func refusesWhatTwoReadersCouldReadDifferently(text: String) { #expect(strings(text) == nil) }

  @Test func refusesBytesThatAreNoText() {
    #expect(throws: JSONStrings.Problem.malformed) { try JSONStrings.walk([34, 0xff, 34]) { _, _ in } }
  }

  // MARK: Types

  @Test(arguments: [
    ("application/json", "application/json", true), ("Application/JSON; charset=\"UTF-8\"", "application/json", true),
    ("application/vnd.api+json;charset=utf-16", "application/vnd.api+json", false), ("text/plain; a=b; ", "text/plain", true),
  ])
  func mediaTypes(text: String, essence: String, isUTF8: Bool) throws {
    let type = try #require(MediaType(text))
    #expect(type.essence == essence)
    #expect(type.isUTF8 == isUTF8)
  }

  @Test(arguments: [
    "", "json", "application/", "/json", "a/b; charset", "a/b; charset=", "a/b; charset=a; charset=b", "a/b, c/d", "a/b; x=\"open", "a /b",
    "a/b x",
  ])
  func malformedMediaTypes(text: String) { #expect(MediaType(text) == nil) }

  // MARK: Disguises

  @Test(arguments: [
    "TOKEN_X", "%54OKEN_X", "%2554OKEN%5fX", "\\u0054OKEN_X", "\\\\u0054OKEN_X", "\\x54OKEN_X",
    "T\u{0}O\u{0}K\u{0}E\u{0}N\u{0}_\u{0}X\u{0}",
    "\u{0}T\u{0}O\u{0}K\u{0}E\u{0}N\u{0}_\u{0}X", "%252554OKEN_X", "\\u0025\\u0035\\u0034OKEN_X", "TO\\KEN_X",
  ])
  func disguises(text: String) {
    let isFound = Spellings.holdPlaceholder(text.utf8Span.span, PlaceholderScanner(["TOKEN_X"]))
    #expect(isFound)
  }

  @Test(arguments: ["", "TOKEN", "100% \\ done", "token_x", "%54OKEN%20X", "\\", "%", "\\u"])
  func ordinaryText(text: String) {
    let isFound = Spellings.holdPlaceholder(text.utf8Span.span, PlaceholderScanner(["TOKEN_X"]))
    #expect(!isFound)
  }
}
