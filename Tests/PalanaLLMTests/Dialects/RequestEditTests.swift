import NIOCore
import PalanaCore
import Testing

@testable import PalanaLLM

@Suite struct RequestEditTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var dialect = Dialect.openAIChat
    var edit: RequestEdit
    var before: String
    var after: String
    init(_ edit: RequestEdit, _ before: String, _ after: String? = nil, _ dialect: Dialect = .openAIChat) {
      self.dialect = dialect
      self.edit = edit
      self.before = before
      self.after = after ?? before
    }
    var testDescription: String { before }
  }

  private static let usage = RequestEdit(includesUsage: true)

  static let rows: [Row] = [
    Row(RequestEdit(), #"{ "model":"m", "messages":[] }"#),
    Row(RequestEdit(model: "m"), #"{"model":"\u006d","messages":[]}"#),
    Row(RequestEdit(model: #"x"é"#), #"{ "messages":[], "model" : "m" , "a":1}"#, #"{ "messages":[], "model" : "x\"é" , "a":1}"#),
    Row(usage, #"{"model":"m","messages":[]}"#),
    Row(
      usage, #"{"model":"m","messages":[],"stream":true}"#,
      #"{"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true}"#),
    Row(
      usage, #"{"model":"m","messages":[],"stream":true,"stream_options":null}"#,
      #"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#),
    Row(
      usage, #"{"model":"m","messages":[],"stream":true,"stream_options":{ }}"#,
      #"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true }}"#),
    Row(
      usage, #"{"stream_options":{"include_obfuscation":false},"model":"m","messages":[],"stream":true}"#,
      #"{"stream_options":{"include_usage":true,"include_obfuscation":false},"model":"m","messages":[],"stream":true}"#),
    Row(
      usage, #"{"stream_options":{"a":1,"include_usage": false },"model":"m","messages":[],"stream":true}"#,
      #"{"stream_options":{"a":1,"include_usage": true },"model":"m","messages":[],"stream":true}"#),
    Row(
      usage, #"{"stream_options":{"include_usage":null},"model":"m","messages":[],"stream":true}"#,
      #"{"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true}"#),
    Row(usage, #"{"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true}"#),
    Row(usage, #"{"model":"m","messages":[],"stream":true}"#, nil, .anthropicMessages),
    Row(RequestEdit(maxOutput: 100), #"{"model":"m","messages":[],"max_tokens":100}"#),
    Row(RequestEdit(maxOutput: 100), #"{"model":"m","messages":[],"max_tokens":101}"#, #"{"model":"m","messages":[],"max_tokens":100}"#),
    Row(RequestEdit(maxOutput: 100), #"{"max_tokens":null,"model":"m","messages":[]}"#, #"{"max_tokens":100,"model":"m","messages":[]}"#),
    Row(
      RequestEdit(maxOutput: 5), #"{"max_tokens":9,"model":"m","max_completion_tokens":3,"messages":[]}"#,
      #"{"max_tokens":5,"model":"m","max_completion_tokens":3,"messages":[]}"#),
    Row(RequestEdit(maxOutput: 5), #"{"model":"m","messages":[]}"#, #"{"max_completion_tokens":5,"model":"m","messages":[]}"#),
    Row(RequestEdit(maxOutput: 5), #"{"model":"m","input":[]}"#, #"{"max_output_tokens":5,"model":"m","input":[]}"#, .openAIResponses),
    Row(RequestEdit(maxOutput: 5), #"{"model":"m","messages":[]}"#, #"{"max_tokens":5,"model":"m","messages":[]}"#, .anthropicMessages),
    Row(RequestEdit(maxOutput: 5), #"{"model":"m","input":[]}"#, nil, .openAIEmbeddings),
    Row(
      RequestEdit(model: "gpt-x", includesUsage: true, maxOutput: 7),
      " {\"max_tokens\": 90,\n \"stream\":true, \"model\":\"m\",\"messages\":[\"€\"]}\n",
      " {\"stream_options\":{\"include_usage\":true},\"max_tokens\": 7,\n \"stream\":true, \"model\":\"gpt-x\",\"messages\":[\"€\"]}\n"),
  ]

  @Test(arguments: rows) func changesOnlyWhatIsMeant(_ row: Row) throws {
    // In the middle of a buffer, as bodies may be.
    var body = ByteBuffer(string: "xyz" + row.before)
    body.moveReaderIndex(forwardBy: 3)
    let scan = try RequestScan(body, dialect: row.dialect)
    let edited = row.edit.applied(to: body, scan)
    #expect(String(buffer: edited) == row.after)
    let again = try RequestScan(edited, dialect: row.dialect).call
    #expect(again.model == row.edit.model ?? scan.call.model)
  }

  @Test func oldUpstreamsGetTheNameThatTheyKnow() throws {
    var edit = RequestEdit(maxOutput: 5)
    edit.chatLimit = .maxTokens
    let body = ByteBuffer(string: #"{"model":"m","messages":[]}"#)
    #expect(
      String(buffer: edit.applied(to: body, try RequestScan(body, dialect: .openAIChat))) == #"{"max_tokens":5,"model":"m","messages":[]}"#)
  }
}
