import Foundation
import PalanaCore
import Testing

@Suite struct JSONValueTests {
  private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }
  private func text(_ value: JSONValue) -> String { String(decoding: value.encoded(), as: UTF8.self) }

  @Test(arguments: [
    "null", "true", "false", "0", "-0", "12345678901234567890123", "1.10", "1e400", "-1.5E-3", "\"\"", "[]", "{}",
    "[1,[2,[3]],{\"a\":null}]", "{\"b\":1,\"a\":2,\"c\":{\"z\":[],\"y\":{}}}", "\"é日本😀\"",
  ])
  func nothingIsLost(_ document: String) throws {
    #expect(text(try parse(document)) == document)
  }

  @Test(arguments: [
    ("\"\\u0041\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "A\n\t\"\\/\u{8}\u{c}\r"), ("\"\\ud83d\\ude00\"", "😀"),
    ("\"\\u00e9\"", "é"),
  ])
  func escapes(_ document: String, _ value: String) throws {
    #expect(try parse(document) == .string(value))
  }

  @Test(arguments: [
    "", " ", "nul", "tru", "True", "01", "1.", ".5", "-", "+1", "1e", "0x1", "NaN", "Infinity", "\"", "\"\\x\"",
    "\"\\u12\"",
    "\"\\u00g0\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "\"\0\"", "[", "[1", "[1,", "[1,]",
    "[,1]", "[1 2]",
    "{", "{a:1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{\"a\":1,\"a\":2}", "1 2", "{} x", "'a'",
    "// c\n1",
  ])
  func malformed(_ document: String) {
    #expect(throws: PalanaError.self) { try parse(document) }
  }

  @Test func invalidUTF8IsRefused() {
    #expect(throws: PalanaError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
    #expect(throws: PalanaError.self) { try JSONValue(parsing: [0x22, 0xed, 0xa0, 0x80, 0x22]) }
  }

  @Test func deepNestingIsRefusedAndDoesNotExhaustTheStack() {
    #expect(throws: PalanaError.self) { try parse(String(repeating: "[", count: 100_000)) }
    #expect(throws: Never.self) { try parse(String(repeating: "[", count: 60) + String(repeating: "]", count: 60)) }
  }

  @Test func errorsSayWhere() throws {
    let error = try #require(throws: PalanaError.self) { try parse("{\n  \"a\": 1,\n  \"b\": x\n}") }
    #expect(error.message.contains("line 3, column 8"))
  }

  @Test func whatActsOnTerminalsIsEscaped() {
    #expect(
      text(.string("\u{1b}[31m\u{7f}\u{9b}\u{2028}\u{202e}\u{feff}"))
        == "\"\\u001b[31m\\u007f\\u009b\\u2028\\u202e\\ufeff\"")
  }

  @Test func prettyAndSorted() throws {
    let value = try parse("{\"b\":[1,{\"x\":2}],\"a\":{}}")
    #expect(
      String(decoding: value.encoded(pretty: true, sortedKeys: true), as: UTF8.self) == """
        {
          "a": {},
          "b": [
            1,
            {
              "x": 2
            }
          ]
        }
        """)
  }

  @Test func otherCodersUnderstandIt() throws {
    let value: JSONValue = ["a": [1, true, "x", .null], "n": .number(try #require(JSONNumber(1.5)))]
    let data = try JSONEncoder().encode(value)
    #expect(try JSONDecoder().decode(JSONValue.self, from: data) == value)
    let big: JSONValue = .number(JSONNumber(UInt64.max))
    #expect(try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode([big])) == [big])
  }

  @Test func numbersAreExactOrNil() throws {
    #expect(try #require(JSONNumber(literal: "1.0")).integer(Int.self) == 1)
    #expect(try #require(JSONNumber(literal: "1.5")).integer(Int.self) == nil)
    #expect(try #require(JSONNumber(literal: "256")).integer(UInt8.self) == nil)
    #expect(try #require(JSONNumber(literal: "9223372036854775807")).integer(Int64.self) == .max)
    #expect(JSONNumber(literal: "1_000") == nil)
    #expect(JSONNumber(Double.nan) == nil)
  }
}
