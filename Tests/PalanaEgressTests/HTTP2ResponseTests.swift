import NIOCore
import PalanaAudit
import Testing

@testable import PalanaEgress

/// Every kind of response over HTTP/2, from an upstream of HTTP/2 to agents of both protocols.
@Suite(.timeLimit(.minutes(10)))
struct HTTP2ResponseTests {
  typealias Fields = [(String, String)]

  /// One answer of the upstream.
  struct Row: Sendable {
    var name: String
    var method = "GET"
    /// Heads before the last one.
    var interim: [Fields] = []
    var head: Fields
    var data: String?
    var trailers: Fields?
    /// Whether the last of it ends the stream.
    var ends = true
    /// What the agent gets.
    var statuses: [String]
    var length: String?
    var body = ""
    var trailer: String?
    /// Whether the agent notices that something is wrong.
    var isBroken = false
  }

  private static let ok = (":status", "200")

  static let rows = [
    Row(name: "no body", head: [ok], statuses: ["200"]),
    Row(name: "a body", head: [ok], data: "ok", statuses: ["200"], body: "ok"),
    Row(name: "a length", head: [ok, ("content-length", "2")], data: "ok", statuses: ["200"], length: "2", body: "ok"),
    Row(name: "trailers", head: [ok], data: "ok", trailers: [("x-t", "1")], statuses: ["200"], body: "ok", trailer: "1"),
    Row(
      name: "early hints", interim: [[(":status", "103"), ("link", "x")]], head: [ok], data: "ok", statuses: ["103", "200"], body: "ok"),
    Row(
      name: "several interim heads", interim: [[(":status", "100")], [(":status", "102")], [(":status", "103")]], head: [ok], data: "ok",
      statuses: ["100", "102", "103", "200"], body: "ok"),
    Row(name: "HEAD", method: "HEAD", head: [ok, ("content-length", "77")], statuses: ["200"], length: "77"),
    Row(name: "HEAD without a length", method: "HEAD", head: [ok], statuses: ["200"]),
    Row(name: "HEAD with a body", method: "HEAD", head: [ok], data: "no", statuses: ["200"], isBroken: true),
    Row(name: "204", head: [(":status", "204")], statuses: ["204"]),
    Row(name: "204 with an empty frame", head: [(":status", "204")], data: "", statuses: ["204"]),
    Row(name: "204 with a body", head: [(":status", "204")], data: "no", statuses: ["204"], isBroken: true),
    Row(name: "304", head: [(":status", "304"), ("content-length", "77")], statuses: ["304"], length: "77"),
    Row(name: "304 with a body", head: [(":status", "304"), ("content-length", "2")], data: "no", statuses: ["304"], isBroken: true),
    Row(name: "a body that is too long", head: [ok, ("content-length", "1")], data: "no", statuses: ["200"], isBroken: true),
    Row(name: "a body that is too short", head: [ok, ("content-length", "3")], data: "no", statuses: ["200"], isBroken: true),
    Row(
      name: "trailers that do not end", head: [ok], data: "no", trailers: [("x-t", "1")], ends: false, statuses: ["200"], isBroken: true),
    Row(name: "a pseudo-header as trailer", head: [ok], data: "no", trailers: [(":status", "200")], statuses: ["200"], isBroken: true),
    Row(name: "a line break in a trailer", head: [ok], data: "no", trailers: [("x", "a\r\nb")], statuses: ["200"], isBroken: true),
  ]

  private static let options = HTTP2UpstreamTests.options(protocols: ["h2"]) { wire, stream, fields in
    let row = rows[Int(fields[":path"]?.dropFirst() ?? "") ?? 0]
    for head in row.interim { try await wire.headers(head, stream, ends: false) }
    try await wire.headers(row.head, stream, ends: row.data == nil)
    if let data = row.data { try await wire.data(data, stream, ends: row.trailers == nil) }
    if let trailers = row.trailers { try await wire.headers(trailers, stream, ends: row.ends) }
  }

  @Test func toAnAgentOfHTTP2() async throws {
    try await GatewayFixture.run(Self.options) { fixture, upstream in
      try await fixture.http2 { wire in
        for (number, row) in Self.rows.enumerated() {
          let answer = try await wire.exchange(
            fixture.fields("/\(number)", method: row.method, host: "allowed.test", ("te", "trailers")), UInt32(number) * 2 + 1)
          guard !row.isBroken else {
            #expect(!answer.isComplete || answer.status == 502, "\(row.name)")
            continue
          }
          #expect(answer.isComplete, "\(row.name)")
          let statuses = answer.heads.compactMap { $0.first { $0.name == ":status" }?.value }
          #expect(statuses == row.statuses, "\(row.name)")
          #expect(answer["content-length"] == row.length, "\(row.name)")
          #expect(answer.body == row.body, "\(row.name)")
          #expect(answer.trailers.first?.value == row.trailer, "\(row.name)")
        }
      }
      let events = await fixture.sink.events(Self.rows.count)
      for (row, event) in zip(Self.rows, events) {
        #expect(event.reason == (row.isBroken ? "upstream_protocol_error" : nil), "\(row.name)")
      }
    }
  }

  @Test func toAnAgentOfHTTP1() async throws {
    try await GatewayFixture.run(Self.options) { fixture, upstream in
      for (number, row) in Self.rows.enumerated() where !row.isBroken {
        try await fixture.tunnel { wire in
          try await wire.send(fixture.request("/\(number)", method: row.method))
          for status in row.statuses.dropLast() { #expect(try await wire.response()?.status == Int(status), "\(row.name)") }
          let answer = try await wire.response(toHead: row.method == "HEAD")
          #expect(answer?.status == row.statuses.last.flatMap { Int($0) }, "\(row.name)")
          #expect(answer?.body == row.body, "\(row.name)")
          // The connection goes on: nothing of the answer is left in it.
          try await wire.send(fixture.request("/1"))
          #expect(try await wire.response()?.body == "ok", "\(row.name)")
        }
      }
    }
  }
}
