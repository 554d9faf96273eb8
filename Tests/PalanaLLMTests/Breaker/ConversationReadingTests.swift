import NIOCore
import PalanaCore
import Testing

@testable import PalanaLLM

/// Which prompts are nearly the same, and which calls of tools are loops.
@Suite struct ConversationReadingTests {
  struct Pair: Sendable, CustomTestStringConvertible {
    var name: String
    var first: Conversation
    var second: Conversation
    var isNear: Bool
    var testDescription: String { name }
  }

  private static let log = (0..<300).map {
    "line \($0) of the deployment, worker w\($0 % 7) is waiting for the queue \(words[$0 % words.count])"
  }
  private static let words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
  /// Text in which no three words come again.
  private static func prose(_ count: Int, changing changed: Set<Int> = []) -> String {
    (0..<count).map { number in
      let word = String(number * 7_919 + 12_345, radix: 26).map {
        $0.isNumber ? Character(UnicodeScalar(UInt8(107 + ($0.wholeNumberValue ?? 0)))) : $0
      }
      return (changed.contains(number) ? "other" : "w") + String(word)
    }.joined(separator: " ")
  }

  static let pairs: [Pair] = [
    Pair(name: "the same", first: .of(.person("why is it slow")), second: .of(.person("why is it slow")), isNear: true),
    Pair(name: "one word", first: .of(.person("continue")), second: .of(.person("Continue.")), isNear: true),
    Pair(name: "another word", first: .of(.person("continue")), second: .of(.person("stop")), isNear: false),
    Pair(
      name: "another question", first: .of(.person("what is the weather in Paris today")),
      second: .of(.person("what is the weather in Rome today")), isNear: false),
    Pair(
      name: "numbers, times and identifiers", first: .of(.person("attempt 1 at 2026-11-27T20:48:14Z, trace 4bf92f3577b34da6, took 1.25 s")),
      second: .of(.person("attempt 17 at 2026-11-28T09:00:00.123Z, trace 00f067aa0ba902b7, took 980 s")), isNear: true),
    Pair(
      name: "uuid", first: .of(.person("job 6f1a2b3c-abcd-4eff-9a0b-1c2d3e4f5a6b failed")),
      second: .of(.person("job 01234567-beef-4bad-8ace-fedcba987654 failed")), isNear: true),
    Pair(
      name: "white space and escapes", first: .of(.person("why\n\tis   it \"slow\"")), second: .of(.person("why is it slow")), isNear: true),
    Pair(name: "other scripts", first: .of(.person("为什么第17次构建失败了")), second: .of(.person("为什么第18次构建失败了")), isNear: true),
    Pair(name: "other scripts, another question", first: .of(.person("为什么第17次构建失败了")), second: .of(.person("请删除第17个文件")), isNear: false),
    Pair(name: "accents", first: .of(.person("café à la crème")), second: .of(.person("thé à la menthe")), isNear: false),
    Pair(
      name: "a long text with one word in a hundred changed", first: .of(.person(prose(1_000))),
      second: .of(.person(prose(1_000, changing: [3, 200, 400, 600, 800]))), isNear: true),
    Pair(
      name: "a long text with one word in ten changed", first: .of(.person(prose(1_000))),
      second: .of(.person(prose(1_000, changing: Set(stride(from: 0, to: 1_000, by: 10))))), isNear: false),
    Pair(
      name: "a very long text of another length", first: .of(.person(String(repeating: prose(1_000), count: 20))),
      second: .of(.person(String(repeating: prose(1_000), count: 30))), isNear: false),
    Pair(
      name: "a log with other numbers", first: .of(.tool("logs", "web", log.joined(separator: "\n"))),
      second: .of(.tool("logs", "web", log.map { $0.replacing("line ", with: "line 9") }.joined(separator: "\n"))), isNear: true),
    Pair(
      name: "only what is new counts", first: .of(.person("first"), .model("one"), .person("go on")),
      second: .of(.person("second thing"), .model("something else"), .person("go on")), isNear: true),
    Pair(
      name: "the same answer of a tool to another question", first: .of(.person("x"), .tool("write", "a.txt", "ok")),
      second: .of(.person("x"), .tool("write", "b.txt", "ok")), isNear: false),
    Pair(
      name: "the same answer to the same question", first: .of(.person("x"), .tool("read", "a.txt", "no such file")),
      second: .of(.person("x"), .tool("read", "a.txt", "no such file"), .tool("read", "a.txt", "no such file")), isNear: true),
    Pair(
      name: "another page", first: .of(.person("x"), .tool("page", "1", "the red house on the hill")),
      second: .of(.person("x"), .tool("page", "2", "a green door in the wall")), isNear: false),
  ]

  @Test(arguments: pairs) func near(_ pair: Pair) throws {
    for dialect in talking {
      let (first, second) = (try #require(pair.first.reading(dialect).print), try #require(pair.second.reading(dialect).print))
      #expect(first.isNear(second) == pair.isNear, "\(dialect)")
      #expect(second.isNear(first) == pair.isNear, "\(dialect)")
      #expect(first.isNear(first))
    }
  }

  struct Loop: Sendable, CustomTestStringConvertible {
    var name: String
    var turns: [Conversation.Turn]
    var loops: Int
    var testDescription: String { name }
  }

  private static func again(_ count: Int, _ turns: Conversation.Turn...) -> [Conversation.Turn] {
    (0..<count).flatMap { _ in turns }
  }

  static let loops: [Loop] = [
    Loop(name: "nothing", turns: [.person("x")], loops: 0),
    Loop(name: "one call", turns: [.person("x"), .tool("ls", "a", "1")], loops: 0),
    Loop(name: "the same call", turns: [.person("x")] + again(5, .tool("ls", "a", "1")), loops: 4),
    Loop(name: "answers may differ", turns: [.person("x"), .tool("ls", "a", "red"), .tool("ls", "a", "blue")], loops: 1),
    Loop(name: "other arguments", turns: (0..<9).map { .tool("page", "\($0)", "text") }, loops: 0),
    Loop(name: "two in turn", turns: [.person("x")] + again(4, .tool("read", "a", "1"), .tool("test", "a", "2")), loops: 3),
    Loop(
      name: "four in turn", turns: again(3, .tool("a", "", "1"), .tool("b", "", "1"), .tool("c", "", "1"), .tool("d", "", "1")), loops: 2),
    Loop(name: "two in turn after others", turns: [.tool("c", "", "1")] + again(2, .tool("a", "", "1"), .tool("b", "", "1")), loops: 1),
    Loop(
      name: "the same tools, edited differently",
      turns: (0..<6).flatMap { [.tool("edit", "version \($0)", "ok"), .tool("test", "all", "failed")] as [Conversation.Turn] }, loops: 0),
    Loop(name: "it ended", turns: again(5, .tool("ls", "a", "1")) + [.tool("cat", "b", "1")], loops: 0),
    Loop(name: "a person came between", turns: again(5, .tool("ls", "a", "1")) + [.person("try something else")], loops: 0),
    Loop(
      name: "a person came between, and it began again",
      turns: again(5, .tool("ls", "a", "1")) + [.person("try something else")] + again(2, .tool("ls", "a", "1")), loops: 1),
    Loop(name: "several at once", turns: [.person("x"), .calls([("ls", "a"), ("ls", "a"), ("ls", "a")])], loops: 2),
    Loop(name: "bounded", turns: again(100, .tool("ls", "a", "1")), loops: 63),
  ]

  @Test(arguments: loops) func loopsOfTools(_ loop: Loop) throws {
    for dialect in talking { #expect(try Conversation.of(loop.turns).reading(dialect).toolLoops == loop.loops, "\(dialect)") }
  }

  /// Whose turn it is may stand behind long texts, and answers of tools may be long.
  @Test(arguments: [100, 3_000, 20_000]) func whatIsLongIsReadToo(_ size: Int) throws {
    let long = Self.prose(size / 8)
    let call = #"{"arguments":"{\"text\":\"\#(long)\"}","call_id":"c","name":"write","type":"function_call"}"#
    let turns = Array(repeating: call + #","# + #"{"type":"function_call_output","output":"\#(long) ok","call_id":"c"}"#, count: 3)
    let responses = ByteBuffer(string: #"{"model":"m","input":[\#(turns.joined(separator: ","))]}"#)
    #expect(ConversationReading(try RequestScan(responses, dialect: .openAIResponses, findsTurns: true), responses).toolLoops == 2)

    let said = #"{"content":"\#(long)","role":"assistant","tool_calls":[{"function":{"arguments":"{}","name":"ls"}}]}"#
    let answer = #"{"role":"tool","tool_call_id":"c","content":"\#(long)"}"#
    let messages = Array(repeating: said + "," + answer, count: 3).joined(separator: ",")
    let chat = ByteBuffer(string: #"{"model":"m","messages":[\#(messages)]}"#)
    #expect(ConversationReading(try RequestScan(chat, dialect: .openAIChat, findsTurns: true), chat).toolLoops == 2)
  }

  @Test func aConversationOfOneText() throws {
    func reading(_ text: String) throws -> ConversationReading {
      let body = ByteBuffer(string: #"{"model":"m","input":"\#(text)"}"#)
      return ConversationReading(try RequestScan(body, dialect: .openAIResponses, findsTurns: true), body)
    }
    let (first, second, other) = (try reading("build 1 failed"), try reading("build 2 failed"), try reading("all is well"))
    #expect(try #require(first.print).isNear(#require(second.print)))
    #expect(try !#require(first.print).isNear(#require(other.print)))
  }

  @Test func withoutText() throws {
    let body = ByteBuffer(string: #"{"model":"m","messages":[]}"#)
    #expect(ConversationReading(try RequestScan(body, dialect: .openAIChat, findsTurns: true), body) == ConversationReading.empty)
  }

  /// Turns are found only where somebody asks for them.
  @Test func nothingIsKeptUnlessAsked() throws {
    let body = Conversation.of(.person("x"), .model("y")).body(.openAIChat)
    #expect(try RequestScan(body, dialect: .openAIChat).turns.isEmpty)
    #expect(try RequestScan(body, dialect: .openAIChat, findsTurns: true).turns.count == 2)
  }
}
