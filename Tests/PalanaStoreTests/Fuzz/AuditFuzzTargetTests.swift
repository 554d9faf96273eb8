import Fuzzing
import Testing

/// What a sender may say, for a fixed count of mutations that are the same in every run.
@Suite(.timeLimit(.minutes(10)))
struct AuditFuzzTargetTests {
  @Test(arguments: FuzzTarget.audit) func nothingBreaks(_ target: FuzzTarget) async {
    let problem = await target.search()
    #expect(problem == nil)
  }
}
