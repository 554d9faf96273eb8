import PalanaCore
import Testing

@Suite struct StrictDecoderTests {
  enum Mode: String, Codable, CaseIterable { case fast, slow }
  struct Inner: Codable, Hashable {
    var restart: String?
    var count: Int?
    var mode: Mode?
  }
  struct Outer: Codable, Hashable {
    var name: ResourceName
    var inner: Inner?
    var list: [Inner]?
    var env: [String: String]?
    var flag: Bool?
    var ratio: Double?
    var small: UInt8?
  }

  private func message(_ document: String, at path: String = "") throws -> String {
    let value = try JSONValue(parsing: Array(document.utf8))
    return try #require(throws: PalanaError.self) { try StrictDecoder.decode(Outer.self, from: value, at: path) }
      .message
  }

  @Test func everythingThatIsKnownIsRead() throws {
    let value = try JSONValue(
      parsing: Array(
        #"{"name":"demo","inner":{"restart":"x","count":3,"mode":"slow"},"list":[{}],"env":{"A":"b"},"flag":true,"ratio":1.5,"small":255}"#
          .utf8))
    let outer = try StrictDecoder.decode(Outer.self, from: value)
    #expect(
      outer
        == Outer(
          name: try ResourceName("demo"), inner: Inner(restart: "x", count: 3, mode: .slow), list: [Inner()],
          env: ["A": "b"],
          flag: true, ratio: 1.5, small: 255))
    #expect(try JSONValue(encoding: outer).encoded() == value.encoded())
  }

  @Test(arguments: [
    (#"{"name":"a","inner":{"restrat":"x"}}"#, "inner.restrat: unknown field, did you mean restart?"),
    (#"{"name":"a","zzz":1}"#, "zzz: unknown field"),
    (#"{"name":"a","list":[{},{"cuont":1}]}"#, "list[1].cuont: unknown field, did you mean count?"),
    (#"{"name":"a","aa":1,"bb":2}"#, "aa: unknown field; bb: unknown field"),
    (#"{"nmae":"a"}"#, "nmae: unknown field, did you mean name?; name: required"),
    (#"{}"#, "name: required"), (#"{"name":null}"#, "name: required"),
    (#"{"name":1}"#, "name: must be text, not a number; put it in quotes"),
    (#"{"name":"A"}"#, "name: ‘A’ is not a valid name"),
    (#"{"name":"a","inner":[]}"#, "inner: must be an object, not a list"),
    (#"{"name":"a","list":{}}"#, "list: must be a list, not an object"),
    (#"{"name":"a","list":[{"count":"3"}]}"#, "list[0].count: must be a whole number, not text"),
    (#"{"name":"a","inner":{"count":1.5}}"#, "inner.count: must be a whole number"),
    (#"{"name":"a","small":256}"#, "small: must be a whole number from 0 to 255"),
    (#"{"name":"a","flag":"yes"}"#, "flag: must be true or false, not text"),
    (#"{"name":"a","inner":{"mode":"fats"}}"#, "inner.mode: ‘fats’ is not one of fast, slow"),
    (#"{"name":"a","env":{"PORT":8080}}"#, "env.PORT: must be text, not a number; put it in quotes"),
    (#"{"name":"a","env":{"a b\n":1}}"#, #"env["a b\n"]: must be text"#),
    (#"[]"#, "must be an object, not a list"),
  ])
  func errorsNameTheField(_ document: String, _ expected: String) throws {
    #expect(try message(document).hasPrefix(expected))
  }

  @Test func nullIsAbsent() throws {
    let value = try JSONValue(parsing: Array(#"{"name":"a","inner":null,"flag":null}"#.utf8))
    #expect(try StrictDecoder.decode(Outer.self, from: value) == Outer(name: try ResourceName("a")))
  }

  @Test func aPrefixStandsInFront() throws {
    #expect(try message(#"{"name":"a","x":1}"#, at: "spec.thing") == "spec.thing.x: unknown field")
  }

  @Test(arguments: [
    ("restrat", "restart"), ("RESTART", "restart"), ("rest", nil), ("cpus", "cpu"), ("xyz", nil), ("memroy", "memory"),
  ])
  func suggestions(_ typed: String, _ meant: String?) {
    #expect(Suggestion.nearest(to: typed, in: ["cpu", "memory", "restart"]) == meant)
  }
}
