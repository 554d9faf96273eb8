import PalanaCore
import Testing

@testable import PalanaBootstrap

@Suite struct PrometheusActivityTests {
  private static func vector(_ samples: String) -> [UInt8] {
    Array(#"{"status":"success","data":{"resultType":"vector","result":[\#(samples)]}}"#.utf8)
  }

  private static func sample(_ namespace: String, _ value: String) -> String {
    #"{"metric":{"namespace":"\#(namespace)"},"value":[1790000000.5,"\#(value)"]}"#
  }

  @Test func readsWhoIsActive() throws {
    let body = Self.vector(
      [("agent-a", "1000"), ("agent-b", "999.9"), ("agent-c", "NaN"), ("agent-d", "+Inf"), ("agent-e", "0")]
        .map { Self.sample($0.0, $0.1) }.joined(separator: ","))
    #expect(try PrometheusActivity.read(body, threshold: 1_000) == ["agent-a", "agent-c", "agent-d"])
    #expect(try PrometheusActivity.read(Self.vector(""), threshold: 1).isEmpty)
  }

  /// What cannot be understood says nothing about silence.
  @Test(arguments: [
    "", "{}", "[]", #"{"status":"error","error":"bad query"}"#,
    #"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
    #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"5"]}]}}"#,
    #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"namespace":"agent-a"},"value":[1,5]}]}}"#,
    #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"namespace":"agent-a"},"value":[1,"many"]}]}}"#,
    #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"namespace":"agent-a"}}]}}"#,
  ]) func refusesOtherAnswers(_ text: String) {
    #expect(throws: PalanaError.self) { try PrometheusActivity.read(Array(text.utf8), threshold: 1) }
  }

  @Test func aServerThatIsAwayIsSaid() async {
    let activity = PrometheusActivity(url: "http://127.0.0.1:1", query: "up", threshold: 1)
    let error = await #expect(throws: PalanaError.self) { try await activity.activeNamespaces() }
    #expect(error?.code == .unreachable)
  }
}
