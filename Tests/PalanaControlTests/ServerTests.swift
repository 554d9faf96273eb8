import FoundationEssentials
import Glibc
import Logging
import NIOCore
import NIOHTTP1
import PalanaAPI
import PalanaAudit
import PalanaControl
import PalanaControlAPI
import PalanaCore
import Synchronization
import Testing

/// The server as such: limits, connections, its end.
@Suite struct ServerTests {
  @Test func bodiesAreBounded() async throws {
    try await ControlWorld.run { world in
      let limits = ControlLimits()
      let padding = String(repeating: "x", count: limits.bodyBytes)
      let manifest = ControlWorld.agent("demo", spec: #"{"env":{"A":"\#(padding)"}}"#)
      let answer = try await world.call(.createAgent, as: .alice, body: manifest)
      #expect(answer.status == 413 && answer.code == "invalid")
      // Without a length that could be looked at first.
      let chunked = try await RawClient.use(try await RawClient.connect(socket: world.socket(.alice))) {
        inbound, outbound in
        try await outbound.write(
          ByteBuffer(
            string: "POST /v1/agents HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"))
        // The server answers and closes as soon as the bound is passed: the rest may find nobody, and with it the answer may be lost.
        for _ in 0..<20 {
          try? await outbound.write(ByteBuffer(string: "10000\r\n" + String(repeating: "y", count: 65_536) + "\r\n"))
        }
        try? await outbound.write(ByteBuffer(string: "0\r\n\r\n"))
        return (try? await RawClient.all(inbound)) ?? ""
      }
      #expect(chunked.hasPrefix("HTTP/1.1 413 ") || chunked.isEmpty, "\(chunked.prefix(200))")
      try await world.makeAgent("demo", of: .alice)
      let big = String(repeating: "s", count: limits.secretBodyBytes)
      let secret = try await world.call(
        .addSecret, as: .alice, ["name": "demo"], body: #"{"name":"X","values":{"token":"\#(big)"}}"#)
      #expect(secret.status == 413)
    }
  }

  @Test func headersAreBounded() async throws {
    try await ControlWorld.run { world in
      let big = String(repeating: "h", count: 100_000)
      let answer = try await RawClient.use(try await RawClient.connect(socket: world.socket(.root))) {
        inbound, outbound in
        try await outbound.write(ByteBuffer(string: "GET /healthz HTTP/1.1\r\nhost: x\r\nx-big: \(big)\r\n\r\n"))
        return try await RawClient.all(inbound)
      }
      #expect(!answer.contains(" 200 "))
    }
  }

  @Test(arguments: ["GET /healthz HT", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-", ""])
  func aHeadThatDoesNotEndIsNotWaitedFor(start: String) async throws {
    var settings = ControlWorld.Settings()
    settings.limits.headTimeout = .milliseconds(200)
    try await ControlWorld.run(settings) { world in
      let began = ContinuousClock.now
      let answer = try await RawClient.use(try await RawClient.connect(socket: world.socket(.root))) {
        inbound, outbound in
        if !start.isEmpty { try await outbound.write(ByteBuffer(string: start)) }
        return try await RawClient.all(inbound)
      }
      #expect(answer.isEmpty || !answer.contains(" 200 "))
      #expect(began.duration(to: .now) < .seconds(10))
    }
  }

  @Test func aBodyThatDoesNotComeIsNotWaitedFor() async throws {
    var settings = ControlWorld.Settings()
    settings.limits.bodyTimeout = .milliseconds(200)
    try await ControlWorld.run(settings) { world in
      let answer = try await RawClient.use(try await RawClient.connect(socket: world.socket(.root))) {
        inbound, outbound in
        try await outbound.write(
          ByteBuffer(string: "POST /v1/agents HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"))
        return try await RawClient.all(inbound)
      }
      #expect(!answer.contains(" 201 "))
    }
  }

  @Test func oneUserCannotTakeEveryConnection() async throws {
    var settings = ControlWorld.Settings()
    settings.limits.connectionsPerUser = 2
    try await ControlWorld.run(settings) { world in
      let get = ByteBuffer(string: "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
      // An answer proves that a connection has its place: merely connected, it may still wait to be accepted.
      try await RawClient.use(try await RawClient.connect(socket: world.socket(.alice))) { inbound, outbound in
        try await outbound.write(get)
        var answers = inbound.makeAsyncIterator()
        _ = try await answers.next()
        try await RawClient.use(try await RawClient.connect(socket: world.socket(.alice))) { inbound, outbound in
          try await outbound.write(get)
          var answers = inbound.makeAsyncIterator()
          _ = try await answers.next()
          let third = try await RawClient.use(try await RawClient.connect(socket: world.socket(.alice))) {
            inbound, outbound in
            try? await outbound.write(get)
            return try await RawClient.all(inbound)
          }
          #expect(third.isEmpty)
        }
      }
      // Those places are free again.
      try await eventually { (try? await world.call(.health, as: .alice).status) == 200 }
    }
  }

  @Test func queriesAreReadStrictly() async throws {
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let base = "http+unix://\(PercentEncoding.encode(world.socket(.alice)))"
      for query in [
        "?ownr=bob", "?owner=a&owner=b", "?owner=%ff", "?purge=maybe", "?purge=true&purge=true",
      ] {
        let answer = try await world.send("DELETE", base, "/v1/agents/demo\(query)")
        #expect(answer.status == 400, "\(query)")
      }
      #expect(try await world.send("GET", base, "/v1/audit?limit=-1").status == 400)
      #expect(try await world.send("GET", base, "/v1/audit?afterSeq=x").status == 400)
      #expect(try await world.send("GET", base, "/v1/audit?component=all").status == 400)
      #expect(try await world.call(.getAgent, as: .alice, ["name": "demo"]).status == 200)
    }
  }

  @Test func everyAnswerForbidsCachingAndSniffing() async throws {
    try await ControlWorld.run { world in
      for path in ["/healthz", "/v1/whoami", "/nothing"] {
        let answer = try await world.send("GET", "http+unix://\(PercentEncoding.encode(world.socket(.root)))", path)
        #expect(answer.headers.first(name: "cache-control") == "no-store", "\(path)")
        #expect(answer.headers.first(name: "x-content-type-options") == "nosniff")
      }
    }
  }

  @Test func theTrailIsReadPageByPageAndIsOneChain() async throws {
    try await ControlWorld.run { world in
      for number in 0..<25 { try await world.makeAgent("a\(number)", of: .alice) }
      var verifier = AuditVerifier()
      var (last, pages): (Int, Int) = (0, 0)
      while true {
        let query = [("afterSeq", "\(last)"), ("limit", "10")]
        let lines = try await world.call(.audit, as: .root, query: query).bytes.split(separator: 10)
        guard !lines.isEmpty else { break }
        #expect(lines.count <= 10)
        for line in lines { verifier.add(line: line) }
        last = try #require(try JSONValue(parsing: Array(lines[lines.count - 1]))["seq"]?.int)
        pages += 1
      }
      let result = verifier.finish()
      #expect(result.isIntact && result.checked >= 25 && result.firstSeq == 1 && pages > 2, "\(result)")
      let all = try await world.call(.audit, as: .root, query: [("limit", "0")]).lines
      #expect(all.count == Int(result.checked))
      let before = try await world.call(.audit, as: .root, query: [("beforeSeq", "9"), ("limit", "3")]).lines
      #expect(before.map { $0["seq"]?.int } == [6, 7, 8])
    }
  }

  @Test func followingTheTrailHasNoGapAndEndsWithTheServer() async throws {
    let seen = Mutex<[String]>([])
    try await ControlWorld.run { world in
      try await world.makeAgent("a0", of: .alice)
      try await world.waitForAudit(.init(agent: "a0"))
      let text = try await RawClient.use(try await RawClient.connect(socket: world.socket(.alice))) {
        inbound, outbound in
        try await outbound.write(
          ByteBuffer(string: "GET /v1/audit?follow=true&component=lifecycle HTTP/1.1\r\nhost: x\r\n\r\n"))
        var text = ""
        var next = 1
        for try await piece in inbound {
          text += String(buffer: piece)
          // Each line that arrives lets the next event happen.
          while next < 5, text.contains("\"name\":\"a\(next - 1)\"") {
            try await world.makeAgent("a\(next)", of: .alice)
            next += 1
          }
          if text.contains("\"name\":\"a4\"") { break }
        }
        return text
      }
      for number in 0..<5 where text.contains("\"name\":\"a\(number)\",\"owner\"") {
        seen.withLock { $0.append("a\(number)") }
      }
    }
    #expect(seen.withLock { $0 } == ["a0", "a1", "a2", "a3", "a4"])
  }

  @Test func openStreamsDoNotHoldUpTheEnd() async throws {
    let connection = Mutex<RawClient.Connection?>(nil)
    try await ControlWorld.run { world in
      try await world.makeAgent("demo", of: .alice)
      let open = try await RawClient.connect(socket: world.socket(.alice))
      connection.withLock { $0 = open }
      // Left open on purpose: the world ends around it.
      let channel = open.channel
      try await channel.writeAndFlush(
        ByteBuffer(string: "GET /v1/agents/demo/logs?follow=true HTTP/1.1\r\nhost: x\r\n\r\n"))
      try await eventually { world.events.contains { $0.action == "create" } }
    }
    if let open = connection.withLock({ $0 }) { try? await RawClient.use(open) { _, _ in } }
  }

  @Test func theSocketBelongsToTheDaemonAlone() async throws {
    try await ControlWorld.run { world in
      var status = stat()
      #expect(unsafe lstat(world.socket(.root), &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      // A second daemon does not take the place of one that answers.
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let second = try ControlService(
        ControlConfiguration(socket: .init(path: world.socket(.root)), installation: "i", version: "v"),
        world.dependencies(.root), logger: logger)
      let error = await #expect(throws: PalanaError.self) { try await second.run() }
      #expect(error?.code == .conflict)
      #expect(try await world.call(.health).status == 200)
    }
  }

  @Test func aPortThatIsTakenEndsTheWholeService() async throws {
    try await ControlWorld.run { world in
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let path = world.folder + "/second.sock"
      let service = try ControlService(
        ControlConfiguration(
          socket: .init(path: path),
          tcp: .init(
            address: .v4(0x7f00_0001), port: world.port, token: Redacted(ControlWorld.token),
            identity: try UserIdentity("o")), installation: "i", version: "v"), world.dependencies(.root),
        logger: logger)
      await #expect(throws: (any Error).self) { try await service.run() }
      #expect(await service.tcpPort() == nil)
    }
  }

  @Test func requestsThatDoNotWaitForAnswersAreAnsweredInOrder() async throws {
    var settings = ControlWorld.Settings()
    settings.limits.bodyTimeout = .milliseconds(300)
    settings.limits.headTimeout = .milliseconds(300)
    try await ControlWorld.run(settings) { world in
      try await world.makeAgent("demo", of: .alice)
      let text = try await RawClient.use(try await RawClient.connect(socket: world.socket(.alice))) {
        inbound, outbound in
        let wait = "GET /v1/agents/demo/wait?phase=Running&timeout=1 HTTP/1.1\r\nhost: x\r\n\r\n"
        try await outbound.write(ByteBuffer(string: wait + "GET /v1/whoami HTTP/1.1\r\nhost: x\r\n\r\n"))
        return try await RawClient.all(inbound)
      }
      #expect(text.contains("\"reached\":false") && text.contains("\"user\":\"alice\""))
    }
  }

  @Test func aSocketThatNobodyAnswersIsReplacedAndOtherFilesAreNot() async throws {
    let path = "/tmp/control-test-\(RandomToken.hex(bytes: 6)).sock"
    #expect(FileManager.default.createFile(atPath: path, contents: Data("precious".utf8)))
    defer { unsafe unlink(path) }
    try await ControlWorld.run { world in
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let service = try ControlService(
        ControlConfiguration(socket: .init(path: path), installation: "i", version: "v"), world.dependencies(.root),
        logger: logger)
      let error = await #expect(throws: PalanaError.self) { try await service.run() }
      #expect(error?.code == .invalid)
    }
    #expect(FileManager.default.contents(atPath: path) == Data("precious".utf8))
  }

  @Test func theTokenFileIsMadeOnceAndMustBePrivate() async throws {
    let path = "/tmp/control-test-\(RandomToken.hex(bytes: 6)).token"
    defer { unsafe unlink(path) }
    let first = try await ControlToken.loadOrCreate(path: path)
    #expect(first.reveal().count == 64)
    #expect(try await ControlToken.loadOrCreate(path: path).matches(first))
    #expect(unsafe chmod(path, 0o640) == 0)
    let error = await #expect(throws: PalanaError.self) { try await ControlToken.loadOrCreate(path: path) }
    #expect(error?.code == .invalid && error?.message.contains(first.reveal()) == false)
    #expect(unsafe chmod(path, 0o600) == 0 && unlink(path) == 0)
    #expect(unsafe symlink("/etc/hostname", path) == 0)
    await #expect(throws: PalanaError.self) { try await ControlToken.loadOrCreate(path: path) }
  }
}
