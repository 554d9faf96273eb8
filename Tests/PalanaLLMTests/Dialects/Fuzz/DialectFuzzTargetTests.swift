import Fuzzing
import Testing

/// Each reader of what agents and providers say, for a fixed count of mutations that are the same in every run.
@Suite(.timeLimit(.minutes(10)))
struct DialectFuzzTargetTests {
  @Test(arguments: FuzzTarget.dialects) func nothingBreaks(_ target: FuzzTarget) async {
    let problem = await target.search()
    #expect(problem == nil)
  }
}
