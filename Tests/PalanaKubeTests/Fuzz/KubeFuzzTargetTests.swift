import Fuzzing
import Testing

/// Each parser of what a cluster or a user's files say, for a fixed count of mutations that are the same in every run.
@Suite(.timeLimit(.minutes(10)))
struct KubeFuzzTargetTests {
  @Test(arguments: FuzzTarget.kube) func nothingBreaks(_ target: FuzzTarget) async {
    let problem = await target.search()
    #expect(problem == nil)
  }
}
