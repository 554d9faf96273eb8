import Fuzzing
import Testing

/// Each parser of hostile bytes, for a fixed count of mutations that are the same in every run, and for every case that was found.
@Suite(.timeLimit(.minutes(10)))
struct EgressFuzzTargetTests {
  @Test(arguments: FuzzTarget.egress) func nothingBreaks(_ target: FuzzTarget) async {
    let problem = await target.search()
    #expect(problem == nil)
  }

  /// A target whose property is wrong is found out: a check that cannot fail shows nothing.
  @Test func aBrokenTargetIsNoticed() async {
    let broken = FuzzTarget(name: "broken", texts: ["ab"]) { $0.contains(0) ? "a zero" : nil }
    let problem = await broken.search()
    #expect(problem?.hasPrefix("broken: a zero, for ") == true)
  }
}
