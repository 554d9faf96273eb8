import PalanaAPI
import PalanaLocal
import Testing

@Suite struct RestartPolicyTests {
  @Test(arguments: [
    (AgentLifecycle.Restart.never, 0, 0, RestartPolicy.Verdict.stay(.stopped)),
    (.never, 1, 0, .stay(.failed)),
    (.onFailure, 0, 3, .stay(.stopped)),
    (.onFailure, 1, 0, .restart(after: .seconds(1))),
    (.onFailure, 137, 3, .restart(after: .seconds(8))),
    (.always, 0, 1, .restart(after: .seconds(2))),
    (.always, 0, 100, .restart(after: .seconds(300))),
    (.always, 0, -5, .restart(after: .seconds(1))),
  ])
  func verdicts(mode: AgentLifecycle.Restart, code: Int, failures: Int, expected: RestartPolicy.Verdict) {
    #expect(RestartPolicy().verdict(mode: mode, code: code, failures: failures) == expected)
  }
}
