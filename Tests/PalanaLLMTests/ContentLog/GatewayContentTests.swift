import Foundation
import NIOCore
import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaCore
import Testing

@testable import PalanaLLM

/// What the gateway hands to the content log.
@Suite(.timeLimit(.minutes(2))) struct GatewayContentTests {
  private static let path = GatewayCallTests.path

  private static func kept(_ url: String) -> LLMRoute {
    var route = GatewayWorld.route([url])
    route.keepsContent = true
    return route
  }

  /// By the clock of the machine, as calls are.
  private static func log(
    _ folder: String, _ settings: ContentSettings = ContentSettings(), _ trail: GatewayWorld.Trail = GatewayWorld.Trail()
  ) -> ContentLog {
    ContentLog(
      folder: folder + "/content", settings: settings,
      key: { () async throws(PalanaError) in try ContentKey(Redacted([UInt8](repeating: 7, count: 32))) }, audit: trail, logger: quiet)
  }

  /// The records, when there are so many.
  private static func records(_ log: ContentLog, _ count: Int) async throws -> [ContentRecord] {
    while true {
      let cards = try await log.list(ContentQuery()).cards
      if cards.count >= count {
        var records: [ContentRecord] = []
        for card in cards { records.append(try await log.record(card.id)) }
        return records
      }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  @Test func aCallIsKeptAsTheAgentSawIt() async throws {
    let answered = GatewayCallTests.completion()
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], answered) }) { upstream in
      try await withFolder { folder in
        let log = Self.log(folder)
        var plain = GatewayWorld.route([upstream.url])
        plain.name = "plain"
        let pattern = try RedactionPattern(name: "email", pattern: #"[a-z]+@[a-z.]+"#)
        try await GatewayWorld.run([Self.kept(upstream.url), plain], content: log, redaction: [pattern]) { world in
          let body = GatewayCallTests.chat().replacing("Say hello", with: "Write to alice@example.com")
          let first = try await world.agent.post(Self.path, body, [("x-own", "field-canary")])
          #expect(first.status == 200)
          let other = try await world.agent.post("/plain/v1/chat/completions", body)
          #expect(other.status == 200)
          // What never went out is not kept.
          let refused = try await world.agent.post(Self.path, "{}")
          #expect(refused.status == 400)
          let events = try await world.trail.calls(3)
          let records = try await Self.records(log, 1)
          #expect(records.count == 1)
          let record = try #require(records.first)
          #expect(String(buffer: record.request) == body.replacing("alice@example.com", with: "[REDACTED:email]"))
          #expect(String(buffer: record.answer) == first.body)
          let card = record.card
          #expect(card.id == events.first?.request?.id && card.agent == "demo" && card.owner == "alice@example.com")
          #expect(card.route == "unified" && card.upstream == "u0" && card.status == 200 && card.path == Self.path)
          #expect(card.requestBytes == Int64(record.request.readableBytes) && card.answerBytes == Int64(first.body.utf8.count))
          #expect(!card.isRequestTruncated && !card.isAnswerTruncated)
          #expect(log.queue.heldBytes == 0)
          // Nothing that was said is on the disk as it was.
          for file in ContentFixture.files(folder + "/content") {
            let bytes = Data(try ContentFixture.bytes(file))
            for text in ["alice", "REDACTED", "Write to", "field-canary", "unified", GatewayWorld.key] {
              #expect(bytes.range(of: Data(text.utf8)) == nil, "\(text)")
            }
          }
        }
      }
    }
  }

  /// A stream piece by piece, cut at the bound; an answer that breaks off; an answer of the gateway's own; a credential that comes back.
  @Test func whatTheAgentGotIsKept() async throws {
    let handler: TestUpstream.Handler = { request, answer in
      if request.body.contains("\"broken\"") {
        try await answer.beginStream()
        try await answer.send("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"begun\"}}]}\n\n")
        return try await answer.reset()
      }
      if request.body.contains("\"echo\"") {
        return try await answer.whole(.badRequest, [], #"{"error":{"message":"no: \#(request.field("authorization") ?? "")"}}"#)
      }
      if request.body.contains("\"closed\"") { return try await answer.reset() }
      try await answer.beginStream()
      for number in 0..<20 {
        try await answer.send("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \(number)\"}}]}\n\n")
      }
      try await answer.send("data: [DONE]\n\n")
      try await answer.end()
    }
    try await TestUpstream.run(handler) { upstream in
      try await withFolder { folder in
        var settings = ContentSettings()
        settings.maxRecordBytes = 300
        let log = Self.log(folder, settings)
        try await GatewayWorld.run([Self.kept(upstream.url)], content: log) { world in
          let long = String(repeating: "long ", count: 100)
          let streamed = try await world.agent.post(
            Self.path, GatewayCallTests.chat("gpt-4o-mini", #","stream":true"#).replacing("Say hello", with: long))
          let broken = try await world.agent.post(Self.path, GatewayCallTests.chat("broken", #","stream":true"#))
          let echoed = try await world.agent.post(Self.path, GatewayCallTests.chat("echo"))
          let closed = try await world.agent.post(Self.path, GatewayCallTests.chat("closed"))
          let records = try await Self.records(log, 4)
          #expect(records.map(\.card.status) == [200, 200, 400, 502])
          #expect(records[0].card.isRequestTruncated && records[0].request.readableBytes == 300)
          #expect(records[0].card.isAnswerTruncated && String(buffer: records[0].answer) == String(streamed.body.prefix(300)))
          #expect(records[0].card.answerBytes == Int64(streamed.body.utf8.count) && records[0].card.requestBytes > 500)
          #expect(String(buffer: records[1].answer) == String(broken.body.prefix(300)) && broken.body.contains("begun"))
          #expect(
            String(buffer: records[2].answer) == echoed.body && !echoed.body.contains(GatewayWorld.key) && echoed.body.contains("***"))
          #expect(String(buffer: records[3].answer) == String(closed.body.prefix(300)) && closed.body.contains("upstream_unreachable"))
          #expect(log.queue.heldBytes == 0)
        }
      }
    }
  }

  /// Where there is no memory for it the call goes on, and the record is counted as lost.
  @Test func aCallDoesNotWaitForItsRecord() async throws {
    let answered = GatewayCallTests.completion()
    try await TestUpstream.run({ _, answer in try await answer.whole(.ok, [], answered) }) { upstream in
      try await withFolder { folder in
        var settings = ContentSettings()
        settings.memoryBytes = 10
        let trail = GatewayWorld.Trail()
        let log = Self.log(folder, settings, trail)
        try await GatewayWorld.run([Self.kept(upstream.url)], content: log) { world in
          for _ in 0..<3 {
            let status = try await world.agent.post(Self.path, GatewayCallTests.chat()).status
            #expect(status == 200)
          }
          while log.queue.lost < 3 || trail.events.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
          #expect(trail.events.map(\.reason) == ["memory_full"])
          let text = PrometheusText.text(await world.gateway.metrics())
          #expect(text.contains("palana_llm_content_dropped_total 3\n") && text.contains("palana_llm_content_records_total 0\n"))
        }
        #expect(!FileManager.default.fileExists(atPath: folder + "/content"))
      }
    }
  }
}
