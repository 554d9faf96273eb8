import PalanaCore
import Testing

@testable import PalanaKube

@Suite struct KubeErrorTests {
  private func error(_ status: Int, _ body: String, retryAfter: String? = nil) -> KubeError {
    KubeError(status: status, body: Array(body.utf8), retryAfter: retryAfter)
  }

  private static func status(_ reason: String, _ message: String = "m", _ more: String = "") -> String {
    #"{"kind":"Status","apiVersion":"v1","reason":"\#(reason)","message":"\#(message)"\#(more)}"#
  }

  @Test(arguments: [
    (404, status("NotFound"), KubeError.Kind.notFound), (409, status("AlreadyExists"), .alreadyExists),
    (409, status("Conflict"), .conflict), (410, status("Gone"), .gone), (410, status("Expired"), .gone),
    (401, status("Unauthorized"), .unauthenticated), (403, status("Forbidden"), .forbidden), (422, status("Invalid"), .invalid),
    (400, status("BadRequest"), .invalid), (415, "", .invalid), (429, status("TooManyRequests"), .throttled),
    (500, status("InternalError"), .server), (504, status("Timeout"), .server), (503, "not json", .server),
    (504, status("ServerTimeout", "m", #","details":{"retryAfterSeconds":1}"#), .throttled), (302, "", .malformed),
    (500, status("Expired"), .gone),
  ])
  func kinds(status: Int, body: String, kind: KubeError.Kind) { #expect(error(status, body).kind == kind) }

  @Test func theServersWordsAndItsPause() {
    let failure = error(429, Self.status("TooManyRequests", "slow down"), retryAfter: "7")
    #expect(failure.message == "slow down" && failure.retryAfter == .seconds(7) && failure.isTransient)
    #expect(error(429, "", retryAfter: "-5").retryAfter == .seconds(0))
    #expect(error(429, "", retryAfter: "99999999").retryAfter == .seconds(300))
    #expect(error(429, "", retryAfter: "soon").retryAfter == nil)
    #expect(error(503, Self.status("x", "m", #","details":{"retryAfterSeconds":2}"#)).retryAfter == .seconds(2))
  }

  /// What is not a `Status` is not repeated: it may be anybody's page.
  @Test func onlyAStatusIsQuoted() {
    #expect(error(502, #"{"message":"<script>"}"#).message == "the API server answered with status 502")
    #expect(error(403, Self.status("Forbidden", String(repeating: "x", count: 9_000))).message.count == 2_000)
  }

  @Test func anErrorInAWatch() throws {
    let line = #"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#
    #expect(try WatchLine(Array(line.utf8)) == .error(KubeError(.gone, status: 410, reason: "Expired", "too old")))
    #expect(throws: KubeError.self) { try WatchLine(Array(#"{"type":"NEWS","object":{}}"#.utf8)) }
    #expect(throws: KubeError.self) { try WatchLine(Array("{".utf8)) }
    #expect(throws: KubeError.self) { try WatchLine([]) }
  }

  @Test func exitCodes() {
    #expect(KubeError(.notFound, "x").palana.code == .notFound)
    #expect(KubeError(.forbidden, "x").palana.code == .denied)
    #expect(KubeError(.conflict, "x").palana.code == .conflict)
    #expect(KubeError(.unreachable, "x").palana.code == .unreachable)
  }
}
