import Fuzzing
import NIOCore
import Testing

@testable import PalanaEgress

/// A body as git writes it: each text is one packet, nil is a flush packet.
private func body(_ packets: [String?]) -> ByteBuffer {
  var buffer = ByteBuffer()
  for packet in packets {
    if let packet { PktLine.write(Array(packet.utf8), into: &buffer) } else { buffer.writeString("0000") }
  }
  return buffer
}

private let zero = String(repeating: "0", count: 40)
private let one = String(repeating: "1", count: 40)
private let two = String(repeating: "a2", count: 20)

@Suite struct PktLineTests {
  /// Reads everything at once, and in pieces of every size: the result is the same.
  private func commands(_ bytes: ByteBuffer) throws -> ReceivePackCommands {
    let whole = try read(bytes, step: max(bytes.readableBytes, 1))
    for step in [1, 2, 3, 7, 64] { #expect(try read(bytes, step: step) == whole) }
    return whole
  }

  private func read(_ bytes: ByteBuffer, step: Int) throws -> ReceivePackCommands {
    var parser = ReceivePackCommands()
    var held = ByteBuffer()
    var rest = bytes
    while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
      held.writeImmutableBuffer(piece)
      if try parser.advance(over: held) { break }
    }
    return parser
  }

  @Test func aPush() throws {
    let push = try commands(
      body([
        "\(zero) \(one) refs/heads/new\u{0} report-status side-band-64k agent=git/2.39", "\(one) \(two) refs/heads/main",
        "\(two) \(zero) refs/tags/v1.0\n", nil,
      ]))
    #expect(push.isDone)
    #expect(push.commands.map(\.ref) == ["refs/heads/new", "refs/heads/main", "refs/tags/v1.0"])
    #expect(push.commands.map(\.kind) == [.create, .update, .delete])
    #expect(push.commands[1].old == one && push.commands[1].new == two)
    #expect(push.capabilities == ["report-status", "side-band-64k", "agent=git/2.39"])
  }

  @Test func whatFollowsTheFlushIsNotLookedAt() throws {
    var bytes = body(["\(zero) \(one) refs/heads/a\u{0}x", nil])
    let length = bytes.readableBytes
    bytes.writeString("PACK\u{0}\u{1}garbage")
    let push = try commands(bytes)
    #expect(push.isDone && push.position == length && push.commands.count == 1)
  }

  @Test func theProbeOfALargePushHasNoCommands() throws {
    let push = try commands(body([nil]))
    #expect(push.isDone && push.commands.isEmpty)
  }

  @Test func longIDsAndShallowClients() throws {
    let long = String(repeating: "b", count: 64)
    let push = try commands(
      body(["shallow \(one)\n", "\(String(repeating: "0", count: 64)) \(long) refs/for/main\u{0}report-status", nil]))
    #expect(push.commands.map(\.new) == [long])
    #expect(push.commands.map(\.kind) == [.create])
  }

  @Test func anUnfinishedListIsNotDone() throws {
    #expect(try !commands(body(["\(zero) \(one) refs/heads/a\u{0}x"])).isDone)
    #expect(try !commands(ByteBuffer(string: "00")).isDone)
  }

  @Test(arguments: [
    "zzzz", "0003", "0002", "0004", "fff1", "0001", "-001", "+005x", "005 x",
  ])
  func framing(start: String) {
    #expect(throws: GitSyntaxError.framing) { try read(ByteBuffer(string: start + "garbage"), step: 3) }
  }

  @Test(arguments: [
    ("x", GitSyntaxError.command), ("\(one) \(two)", .command), ("\(one)  refs/heads/a", .command),
    ("\(one.dropLast()) \(two) refs/heads/a", .command), ("\(one) \(two)a refs/heads/a", .command),
    ("\(one)\t\(two) refs/heads/a", .command), ("\(one.replacing("1", with: "g")) \(two) refs/heads/a", .command),
    ("\(one) \(String(repeating: "b", count: 64)) refs/heads/a", .command),
    ("shallow x", .command), ("shallow \(one)\u{0}x", .command),
    ("push-cert\u{0} report-status\n", .certificate), ("push-cert-end\n", .certificate),
    ("\(one) \(two) HEAD", .refName), ("\(one) \(two) heads/a", .refName), ("\(one) \(two) refs/", .refName),
    ("\(one) \(two) REFS/heads/a", .refName), ("\(one) \(two) refs/heads/a b", .refName),
    ("\(one) \(two) refs/heads/../main", .refName), ("\(one) \(two) refs/heads/.a", .refName),
    ("\(one) \(two) refs//heads/a", .refName), ("\(one) \(two) refs/heads/a/", .refName),
    ("\(one) \(two) refs/heads/a.", .refName), ("\(one) \(two) refs/heads/a.lock", .refName),
    ("\(one) \(two) refs/a.lock/b", .refName), ("\(one) \(two) refs/heads/a@{1}", .refName),
    ("\(one) \(two) refs/heads/a~1", .refName), ("\(one) \(two) refs/heads/a\\b", .refName),
    ("\(one) \(two) refs/heads/a*", .refName), ("\(one) \(two) refs/heads/a\r", .refName),
    ("\(one) \(two) refs/heads/a\n\u{0}x", .refName),
    ("\(one) \(two) refs/heads/\(String(repeating: "a", count: 1024))", .refName),
  ])
  func otherCommandsAreRefused(line: String, expected: GitSyntaxError) {
    #expect(throws: expected) { try read(body([line, nil]), step: 5) }
  }

  @Test func namesThatAreNoTextAreRefused() {
    var buffer = ByteBuffer()
    PktLine.write(Array("\(one) \(two) refs/heads/".utf8) + [0xff, 0xfe], into: &buffer)
    #expect(throws: GitSyntaxError.refName) { try read(buffer, step: 9) }
  }

  @Test func onlyTheFirstCommandHasCapabilities() {
    #expect(throws: GitSyntaxError.command) {
      try read(body(["\(zero) \(one) refs/heads/a", "\(zero) \(one) refs/heads/b\u{0}refs/heads/c", nil]), step: 11)
    }
  }

  @Test func newNamesOfOtherAlphabetsAreTaken() throws {
    #expect(try commands(body(["\(zero) \(one) refs/heads/größe\u{0}x", nil])).commands.map(\.ref) == ["refs/heads/größe"])
  }

  // MARK: Fetches

  @Test(
    arguments: [
      (["command=ls-refs\n", "agent=x", nil], "list"),
      (["want \(one) multi_ack_detailed\n", nil, "done\n"], "clone"),
      (["want \(one)\n", "deepen 1\n", nil, "done\n"], "clone"),
      (["want \(one)\n", nil, "have \(two)\n", "done\n"], "fetch"),
      (["want \(one)\n", "shallow \(two)\n", nil, "done\n"], "fetch"),
      (["command=fetch", "want \(one)\n", "done\n", nil], "clone"),
      (["command=fetch", "want \(one)\n", "have \(two)\n", nil], "fetch"),
      (["command=fetch", "want-ref refs/heads/a\n", "done\n", nil], "clone"), (["want \(one)\n", nil], "clone"),
      ([], "fetch"), ([nil], "fetch"), (["nonsense"], "fetch"),
    ] as [([String?], String)])
  func fetches(packets: [String?], expected: String) {
    let bytes = body(packets)
    for step in [1, 3, 50, 1000] {
      var request = UploadPackRequest()
      var rest = bytes
      while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 { request.take(piece) }
      request.finish()
      #expect(request.action?.rawValue == expected, "in pieces of \(step)")
    }
  }

  @Test func aFetchThatCannotBeReadIsAFetch() {
    for text in ["\u{1f}\u{8b}\u{8}\u{0}", "zzzz", "0003"] {
      var request = UploadPackRequest()
      request.take(ByteBuffer(string: text))
      request.finish()
      #expect(request.action == .fetch)
    }
    var endless = UploadPackRequest()
    for _ in 0..<10_000 { endless.take(body(["want \(one)\n"])) }
    #expect(endless.action == .fetch)
  }

  // MARK: Mutations

  /// Whatever the bytes are, the parser says the same however they are cut, names only refs that Git allows, and never reads on
  /// behind what it was given.
  @Test func mutations() {
    var dice = FuzzTests.Dice(11)
    let seeds: [[UInt8]] = [
      body(["\(zero) \(one) refs/heads/new\u{0} report-status side-band-64k", "\(one) \(two) refs/heads/main", nil]),
      body(["shallow \(one)\n", "\(two) \(zero) refs/tags/v1.0\n", nil, "PACK"]),
      body(["push-cert\u{0} x\n", "certificate version 0.1\n", nil]),
    ].map { Array($0.readableBytesView) }
    let spice: [[UInt8]] = [
      "0000", "0001", "0004", "fff0", "ffff", "\u{0}", " ", "\n", "refs/heads/main", "../", ".lock", "0032", "\u{ff}", "0",
    ].map { Array($0.utf8) }
    for round in 0..<20_000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0..<Int.random(in: 1...4, using: &dice) {
        let place = Int.random(in: 0...bytes.count, using: &dice)
        let end = min(bytes.count, place + Int.random(in: 0...9, using: &dice))
        switch Int.random(in: 0..<4, using: &dice) {
        case 0: bytes.insert(contentsOf: spice.randomElement(using: &dice) ?? [], at: place)
        case 1: bytes.removeSubrange(place..<end)
        case 2: if place < bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &dice) }
        default: bytes.replaceSubrange(place..<end, with: spice.randomElement(using: &dice) ?? [])
        }
      }
      let buffer = ByteBuffer(bytes: bytes)
      let whole = Result { try read(buffer, step: max(bytes.count, 1)) }
      let pieces = Result { try read(buffer, step: Int.random(in: 1...9, using: &dice)) }
      switch (whole, pieces) {
      case (.success(let one), .success(let other)):
        #expect(one == other)
        #expect(one.position <= bytes.count)
        for command in one.commands {
          #expect(command.ref.hasPrefix("refs/") && !command.ref.contains("..") && !command.ref.contains("\n"))
        }
      case (.failure(let one), .failure(let other)):
        #expect(one as? GitSyntaxError == other as? GitSyntaxError && one is GitSyntaxError)
      default: Issue.record("pieces change the meaning of \(bytes)")
      }
      var fetch = UploadPackRequest()
      fetch.take(buffer)
      fetch.finish()
      #expect(fetch.action != nil)
    }
  }
}

@Suite struct ReceivePackReportTests {
  private func push(_ capabilities: String, refs: [String] = ["refs/heads/a"]) throws -> ReceivePackCommands {
    var parser = ReceivePackCommands()
    let lines = refs.enumerated().map { "\(zero) \(one) \($1)" + ($0 == 0 ? "\u{0}\(capabilities)" : "") }
    _ = try parser.advance(over: body(lines + [nil]))
    return parser
  }

  @Test func withoutBands() throws {
    let report = try ReceivePackReport.body(push("report-status"), reason: "git_not_allowed", explanation: "no\nway")
    #expect(report == body(["unpack ok\n", "ng refs/heads/a git_not_allowed: no way\n", nil]))
  }

  @Test func inBands() throws {
    let report = try ReceivePackReport.body(
      push("report-status-v2 side-band-64k"), reason: "git_not_allowed", explanation: "no way")
    let inner = body(["unpack ok\n", "ng refs/heads/a git_not_allowed\n", nil])
    #expect(report == body(["\u{2}git_not_allowed: no way\n", "\u{1}" + String(buffer: inner), nil]))
  }

  @Test func manyRefsInNarrowBands() throws {
    let refs = (0..<100).map { "refs/heads/\($0)" }
    var report = try #require(
      try ReceivePackReport.body(push("report-status side-band", refs: refs), reason: "policy_denied", explanation: "x"))
    var inner = ByteBuffer()
    while let (packet, end) = try PktLine.read(report.readableBytesUInt8Span, at: 0) {
      if case .data(let range) = packet {
        #expect(range.count <= 1000)
        var contents = try #require(report.getSlice(at: report.readerIndex + range.lowerBound, length: range.count))
        if contents.readInteger(as: UInt8.self) == 1 { inner.writeBuffer(&contents) }
      }
      report.moveReaderIndex(forwardBy: end)
    }
    #expect(inner == body(["unpack ok\n"] + refs.map { "ng \($0) policy_denied\n" } + [nil]))
  }

  @Test func nothingForWhoAsksForNone() throws {
    #expect(try ReceivePackReport.body(push("side-band-64k"), reason: "x", explanation: "y") == nil)
    #expect(try ReceivePackReport.body(push("report-status", refs: []), reason: "x", explanation: "y") == nil)
  }
}
