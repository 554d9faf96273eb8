import Foundation
import Testing

/// What an agent asks a model and is answered, where its route keeps it: for operators, sealed on the disk.
@Suite struct LLMContentTests {
  private static func ask(_ route: String, _ words: String, stream: Bool = false) -> ModelAsk {
    ModelAsk(
      path: "/\(route)/v1/chat/completions",
      body: #"{"model": "words", "stream": \#(stream), "messages": [{"role": "user", "content": "\#(words)"}]}"#)
  }

  private static func kept(_ models: Models) async throws -> [JSON] {
    try await models.platform.pcli("llm", "content", "--since", "1h", "-o", "json").json()["items"].array
  }

  @Test func whatIsSaidIsKeptSealedAndForOperators() async throws {
    let models = try await Models(settings: [#"redact: {card: '\b\d{16}\b'}"#, "contentLog: {retention: 2d, maxBytes: 64Mi}"])
    do {
      let platform = models.platform
      try await models.start("talker")
      let folder = platform.home + "/llm/content"
      // Without `contentLog` nothing is written, not even the folder.
      #expect(try await models.ask("talker", Self.ask("unified", "not kept")).status == 200)
      #expect(try await platform.pcli("llm", "content").output == "")
      #expect(!FileManager.default.fileExists(atPath: folder))

      // Made at run time, so that no file of the tests holds it.
      let canary = "canary" + String(UInt64.random(in: .min ... .max), radix: 36)
      let answer = try await models.ask("talker", Self.ask("kept", "\(canary) 4111111111111111"))
      let stream = try await models.ask("talker", Self.ask("kept", canary, stream: true))
      #expect(answer.status == 200 && stream.status == 200)
      try await waitUntil("both are kept") { try await Self.kept(models).count == 2 }
      let items = try await Self.kept(models)
      #expect(items.allSatisfy { $0["agent"].string == "talker" && $0["route"].string == "kept" && $0["status"].number == 200 })
      let id = try #require(items.first?["id"].string)
      let events = try await models.events("talker")
      #expect(events.contains { $0["request"]["id"].string == id && $0["action"].string == "call" })

      let shown = try await platform.pcli("llm", "content", "show", id, "-o", "json").json()
      let asked: String = try #require(shown["request"]["text"].string)
      #expect(asked.contains("\(canary) [REDACTED:card]") && !asked.contains("4111"))
      #expect(shown["answer"]["text"].string == answer.body)
      #expect(!"\(shown)".contains(ModelServer.openAI))
      let second = try #require(items.last?["id"].string)
      let text = try await platform.pcli("llm", "content", "show", second).output
      #expect(text.contains(canary) && text.contains("data: [DONE]"))
      // Who read which is written down; listing is not reading.
      try await waitUntil("the readings are written down") {
        try await models.events("talker").filter { $0["action"].string == "content-read" }.count == 2
      }
      let reading = try await models.events("talker").first { $0["action"].string == "content-read" }
      #expect(reading?["details"]["call"].string == id && reading?["actor"].string == "root" && reading?["decision"].string == "allow")

      // Whose agent it is does not count.
      let owner = try await models.owner
      for person in ["alice", owner == "root" ? "bob" : owner] {
        let list = try await platform.pcli("--user", person, "llm", "content", expect: 4)
        let show = try await platform.pcli("--user", person, "llm", "content", "show", id, expect: 4)
        #expect(!list.output.contains(id) && !(show.output + show.error).contains(canary))
      }

      // On the disk there is none of it: not in this log, nor anywhere else in the daemon's home.
      for words in [canary, "Hello from the strict model", "4111111111111111"] {
        let found = try await run("/usr/bin/grep", ["-rlaF", "--", words, platform.home])
        #expect(found.output == "", "files of the home hold ‘\(words)’")
      }
      let files = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(!files.isEmpty)
      for file in files {
        let mode = try FileManager.default.attributesOfItem(atPath: folder + "/" + file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
      }

      // It survives the death of the daemon, and a damaged file is told of.
      let daemon = try platform.daemon()
      #expect(kill(daemon, SIGKILL) == 0)
      try await waitUntil("the daemon is gone") { !isAlive(daemon) }
      try await platform.up()
      #expect(try await models.ask("talker", Self.ask("kept", "after")).status == 200)
      try await waitUntil("it goes on") { try await Self.kept(models).count == 3 }
      let path = folder + "/" + (try #require(files.first))
      var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
      bytes[bytes.count - 1] ^= 1
      try Data(bytes).write(to: URL(filePath: path))
      let broken = try await platform.pcli("llm", "content", "show", second, expect: nil)
      #expect(broken.code != 0 && broken.error.contains("not as it was written"))
      #expect(try await platform.pcli("llm", "content", "show", id).output.contains(canary))
      try await platform.pcli("audit", "verify")
    } catch {
      await models.tearDown()
      throw error
    }
    await models.tearDown()
  }

  @Test func aRouteBoundsItsRequests() async throws {
    let models = try await Models.shared.get()
    try await models.start("bounded")
    let answers = try await models.ask(
      "bounded",
      [
        Self.ask("narrow", "hello"), Self.ask("narrow", String(repeating: "word ", count: 200)),
        Self.ask("narrow", String(repeating: "x", count: 5_000)),
      ])
    #expect(answers.map(\.status) == [200, 413, 413])
    #expect(answers.dropFirst().allSatisfy { $0.reason == "request_too_large" })
    #expect(answers[1].body.contains("takes 100 of them") && answers[2].body.contains("4096 bytes"))
  }
}
