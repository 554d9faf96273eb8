import NIOCore
import PalanaCore
import Testing

@testable import PalanaLLM

@Suite struct RequestScanTests {
  struct Taken: Sendable, CustomTestStringConvertible {
    var dialect: Dialect
    var body: String
    var change: @Sendable (inout ModelCall) -> Void = { _ in }
    var testDescription: String { String(body.prefix(60)) }
  }

  static let taken: [Taken] = [
    Taken(dialect: .openAIChat, body: #"{"model":"m","messages":[]}"#),
    Taken(dialect: .openAIChat, body: " {\n\t\"model\" : \"m\" , \"messages\" : [ ] }\r\n"),
    Taken(dialect: .openAIChat, body: #"{"model":"m","messages":[],"stream":true}"#) { $0.isStreaming = true },
    Taken(
      dialect: .openAIChat,
      body: #"{"model":"m","messages":[],"stream":null,"n":null,"max_tokens":null,"tools":null,"stream_options":null}"#),
    Taken(dialect: .openAIChat, body: #"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#) {
      $0.isStreaming = true
      $0.wantsUsage = true
    },
    Taken(dialect: .openAIChat, body: #"{"model":"m","messages":[],"stream_options":{"include_obfuscation":false,"include_usage":false}}"#),
    Taken(dialect: .openAIChat, body: #"{"model":"m","messages":[],"max_tokens":9,"max_completion_tokens":70,"n":3}"#) {
      $0.maxOutput = 70
      $0.choices = 3
    },
    Taken(dialect: .openAIChat, body: #"{"model":"a\u002d\"b","messages":[]}"#) { $0.model = #"a-"b"# },
    Taken(dialect: .openAIChat, body: #"{"mod\u0065l":"x","messages":[]}"#) { $0.model = "x" },
    Taken(dialect: .openAIChat, body: #"{"model":"m","messages":[{"role":"user","content":"Ähm\n"}],"tools":[]}"#) {
      $0.hasTools = true
      $0.prompt = TextSize(letters: 4 + 4 + 7 + 3, signs: 1, other: 2)
    },
    Taken(dialect: .openAIChat, body: #"{"user":"somebody","metadata":{"a":"b"},"model":"m","messages":[]}"#),
    Taken(dialect: .openAIChat, body: #"{"documents":"abcd","model":"m","messages":[]}"#) { $0.prompt.letters = 4 },
    Taken(
      dialect: .openAIChat,
      body: #"{"model":"m","messages":[{"type":"image_url","image_url":{"url":"data:image/png;base64,\#(base64)"}}]}"#
    ) {
      $0.images = 1
      $0.prompt = TextSize(letters: 4 + 8 + 8 + 3, signs: 1 + 1)
    },
    // What is no base64 to its end is text.
    Taken(dialect: .openAIChat, body: #"{"model":"m","messages":[{"url":"data:image/png;base64,\#(base64) and more"}]}"#) {
      $0.prompt = TextSize("urldata:image/png;base64,\(base64) and more")
    },
    Taken(
      dialect: .anthropicMessages,
      body: #"{"model":"m","messages":[{"type":"image","source":{"data":"iVBORw0KGgo\#(base64)"}}],"max_tokens":5}"#
    ) {
      $0.images = 1
      $0.maxOutput = 5
      $0.prompt = TextSize(letters: 4 + 5 + 6 + 4)
    },
    Taken(dialect: .anthropicMessages, body: #"{"model":"m","messages":[{"data":"JVBERi0\#(base64)"}],"max_tokens":0}"#) {
      $0.fileBytes = 71
      $0.maxOutput = 0
      $0.prompt.letters = 4
    },
    Taken(dialect: .anthropicMessages, body: #"{"model":"m","messages":[],"system":"be kind","stream":true}"#) {
      $0.isStreaming = true
      $0.prompt.letters = 7
    },
    Taken(dialect: .openAIResponses, body: #"{"model":"m","input":"hi","instructions":"x","max_output_tokens":12}"#) {
      $0.maxOutput = 12
      $0.prompt.letters = 3
    },
    Taken(dialect: .openAIResponses, body: #"{"model":"m","previous_response_id":"resp_1","background":true}"#) {
      $0.readsStored = true
      $0.isInBackground = true
    },
    Taken(dialect: .openAIResponses, body: #"{"model":"m","conversation":null,"previous_response_id":null,"prompt":null,"input":[]}"#),
    Taken(dialect: .openAIResponses, body: #"{"model":"m","prompt":{"id":"p"}}"#) {
      $0.readsStored = true
      $0.prompt.letters = 3
    },
    Taken(dialect: .openAIEmbeddings, body: #"{"model":"m","input":["one","two"]}"#) { $0.prompt.letters = 6 },
    Taken(dialect: .openAIEmbeddings, body: #"{"model":"m","input":[[1,22],[333]]}"#) { $0.promptTokens = 3 },
    // A member of another dialect does not steer, but is read.
    Taken(dialect: .openAIEmbeddings, body: #"{"model":"m","input":"x","stream":true,"messages":"yy"}"#) { $0.prompt.letters = 3 },
  ]

  static let base64 = String(repeating: "QUJD", count: 16)

  @Test(arguments: taken) func saysWhatIsAsked(_ row: Taken) throws {
    var expected = ModelCall(dialect: row.dialect, model: "m")
    expected.wantsUsage = row.dialect != .openAIChat
    row.change(&expected)
    #expect(try RequestScan(ByteBuffer(string: row.body), dialect: row.dialect).call == expected)
  }

  struct Refused: Sendable, CustomTestStringConvertible {
    var body: String
    var reason: DialectError.Reason
    var member: String?
    var dialect = Dialect.openAIChat
    init(_ body: String, _ reason: DialectError.Reason, _ member: String? = nil, _ dialect: Dialect = .openAIChat) {
      self.body = body
      self.reason = reason
      self.member = member
      self.dialect = dialect
    }
    var testDescription: String { String(body.prefix(60)) }
  }

  static let refused: [Refused] = [
    Refused("", .malformedJSON), Refused("[]", .malformedJSON), Refused("null", .malformedJSON), Refused("{", .malformedJSON),
    Refused("\u{feff}{}", .malformedJSON), Refused(#"{"model":"m","messages":[]} x"#, .malformedJSON),
    Refused(#"{"model":"m","messages":[],}"#, .malformedJSON), Refused(#"{"model":"m","messages":[1 2]}"#, .malformedJSON),
    Refused(#"{"model":"m","messages":[01]}"#, .malformedJSON), Refused(#"{"model":"m","messages":["\x"]}"#, .malformedJSON),
    Refused(#"{"model":"m","messages":["\u12g4"]}"#, .malformedJSON), Refused("{\"model\":\"m\",\"messages\":[\"\n\"]}", .malformedJSON),
    Refused(#"{"model":"m","messages":\#(String(repeating: "[", count: 64))"#, .malformedJSON),
    Refused(#"{"model":"\ud800","messages":[]}"#, .malformedJSON),
    Refused("{}", .missingMember, "model"), Refused(#"{"model":"m"}"#, .missingMember, "messages"),
    Refused(#"{"model":"m"}"#, .missingMember, "messages", .anthropicMessages),
    Refused(#"{"model":"m"}"#, .missingMember, "input", .openAIEmbeddings),
    Refused(#"{"model":"a","model":"b","messages":[]}"#, .ambiguousMember, "model"),
    Refused(#"{"model":"a","mo\u0064el":"b","messages":[]}"#, .ambiguousMember, "model"),
    Refused(#"{"model":"a","Model":"b","messages":[]}"#, .ambiguousMember, "model"),
    Refused(#"{"model":"a","\u004dodel":"b","messages":[]}"#, .ambiguousMember, "model"),
    Refused(#"{"model":"a","messages":[],"meſſages":[]}"#, .ambiguousMember, "messages"),
    Refused("{\"model\":\"a\",\"messages\":[],\"max_to\u{212a}ens\":1}", .ambiguousMember, "max_tokens"),
    Refused(
      #"{"model":"m","messages":[],"stream_options":{"include_usage":true,"include_usage":false}}"#, .ambiguousMember,
      "stream_options.include_usage"),
    Refused(#"{"model":"m","messages":[],"stream_options":{"Include_usage":true}}"#, .ambiguousMember, "stream_options.include_usage"),
    Refused(#"{"model":7,"messages":[]}"#, .wrongType, "model"), Refused(#"{"model":null,"messages":[]}"#, .wrongType, "model"),
    Refused(#"{"model":"m","messages":{}}"#, .wrongType, "messages"), Refused(#"{"model":"m","messages":null}"#, .wrongType, "messages"),
    Refused(#"{"model":"m","messages":[],"stream":1}"#, .wrongType, "stream"),
    Refused(#"{"model":"m","messages":[],"stream":"true"}"#, .wrongType, "stream"),
    Refused(#"{"model":"m","messages":[],"stream_options":[]}"#, .wrongType, "stream_options"),
    Refused(#"{"model":"m","messages":[],"stream_options":{"include_usage":1}}"#, .wrongType, "stream_options.include_usage"),
    Refused(#"{"model":"m","messages":[],"tools":{}}"#, .wrongType, "tools"),
    Refused(#"{"model":"m","messages":[],"max_tokens":1.5}"#, .wrongType, "max_tokens"),
    Refused(#"{"model":"m","messages":[],"max_tokens":1e3}"#, .wrongType, "max_tokens"),
    Refused(#"{"model":"m","messages":[],"max_tokens":"9"}"#, .wrongType, "max_tokens"),
    Refused(#"{"model":"m","messages":[],"max_tokens":99999999999999999999}"#, .wrongType, "max_tokens"),
    Refused(#"{"model":"m","messages":[],"max_tokens":-1}"#, .outOfRange, "max_tokens"),
    Refused(#"{"model":"m","messages":[],"max_completion_tokens":2147483648}"#, .outOfRange, "max_completion_tokens"),
    Refused(#"{"model":"m","messages":[],"n":0}"#, .outOfRange, "n"), Refused(#"{"model":"m","messages":[],"n":129}"#, .outOfRange, "n"),
    Refused(#"{"model":"","messages":[]}"#, .outOfRange, "model"), Refused(#"{"model":"a\nb","messages":[]}"#, .outOfRange, "model"),
    Refused(#"{"model":"\#(String(repeating: "m", count: 257))","messages":[]}"#, .outOfRange, "model"),
    Refused(#"{"model":"m","input":7}"#, .wrongType, "input", .openAIResponses),
    Refused(#"{"model":"m","input":null}"#, .wrongType, "input", .openAIEmbeddings),
    Refused(#"{"model":"m","system":{},"messages":[]}"#, .wrongType, "system", .anthropicMessages),
    Refused(#"{"model":"m","prompt":"x"}"#, .wrongType, "prompt", .openAIResponses),
  ]

  @Test(arguments: refused) func refuses(_ row: Refused) {
    let error = #expect(throws: DialectError.self) { try RequestScan(ByteBuffer(string: row.body), dialect: row.dialect) }
    #expect(error?.reason == row.reason)
    #expect(error?.member == row.member)
    #expect(error?.message.isEmpty == false)
  }

  @Test(
    arguments: [[0x80], [0xc0, 0x80], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf5], [0xe2, 0x82]] as [[UInt8]])
  func refusesWhatIsNoUTF8(_ bytes: [UInt8]) {
    let body = Array(#"{"model":"m","messages":[""#.utf8) + bytes + Array(#""]}"#.utf8)
    let error = #expect(throws: DialectError.self) { try RequestScan(ByteBuffer(bytes: body), dialect: .openAIChat) }
    #expect(error?.message.contains("UTF-8") == true)
  }

  @Test func everyTruncationIsRefused() {
    let body = #"{"model":"m","messages":[{"role":"user","content":"a\u00e9€\\"}],"n":1,"x":[1.5e3,true,null,{}]}"#
    for length in 0..<body.utf8.count {
      #expect(throws: DialectError.self) { try RequestScan(ByteBuffer(bytes: Array(body.utf8.prefix(length))), dialect: .openAIChat) }
    }
    #expect(throws: Never.self) { try RequestScan(ByteBuffer(string: body), dialect: .openAIChat) }
  }

  @Test func nestingEndsAt64Levels() throws {
    func body(_ levels: Int) -> ByteBuffer {
      let open = String(repeating: "[", count: levels - 1)
      return ByteBuffer(string: #"{"model":"m","messages":\#(open)\#(String(repeating: "]", count: levels - 1))}"#)
    }
    #expect(throws: Never.self) { try RequestScan(body(64), dialect: .openAIChat) }
    let error = #expect(throws: DialectError.self) { try RequestScan(body(65), dialect: .openAIChat) }
    #expect(error?.message.contains("64 levels") == true)
  }
}
