package import PalanaControlAPI
import PalanaCore

/// Runs every case of a job and says what came of each.
package struct AttackRun {
  package let job: AttackJob
  var loop = ExchangeLoop()

  package init(_ job: AttackJob) { self.job = job }

  /// Blocks the calling thread for some seconds, and makes all sockets on it.
  /// - Parameter report: gets one record for each case.
  /// - Throws: ``PalanaError`` with code `failed` when the gateway does not answer the agent's own proof: then everything would seem
  ///   to hold.
  package func callAsFunction(_ report: (AttackRecord) throws -> Void) throws {
    try checkGateway()
    let cases = AttackCase.all(job)
    var sent: [AttackCase] = []
    for one in cases {
      guard let why = one.inapplicability(job) else {
        sent.append(one)
        continue
      }
      try report(record(one, .notApplicable, why, of: cases.count))
    }
    // A machine that is very slow looks like somebody who takes a connection and says nothing: that is asked once more, with more
    // patience, before it is called broken.
    var again: [AttackCase] = []
    try loop.run(sent.map(\.probe)) { index, observation in
      guard sent.indices.contains(index) else { return }
      if case .silent = observation, !sent[index].expectation.holds(observation) { return again.append(sent[index]) }
      try report(judged(sent[index], observation, of: cases.count))
    }
    var patient = loop
    patient.patience.answering *= 3
    try patient.run(again.map(\.probe)) { index, observation in
      guard again.indices.contains(index) else { return }
      try report(judged(again[index], observation, of: cases.count))
    }
  }

  private func judged(_ one: AttackCase, _ observation: Observation, of count: Int) -> AttackRecord {
    if one.expectation.holds(observation) { return record(one, .held, observation.words, of: count) }
    if !job.isStrict, one.isOfSpelling, AttackExpectation.refused.holds(observation) {
      return record(one, .notApplicable, "the data plane takes this spelling, and policy refused what it says", of: count)
    }
    return record(one, .broken, observation.words, of: count)
  }

  private func checkGateway() throws {
    var seen = Observation.silent(isConnected: false)
    loop.run([AttackCase.control(job).probe]) { _, observation in seen = observation }
    guard case .answered(let bytes) = seen, let status = HTTPAnswers(bytes).all.first?.status, status != 407 else {
      throw PalanaError(
        .failed, "the gateway does not answer this agent, so an attack would show nothing (\(seen.words))",
        hint: "pcli status, pcli doctor")
    }
    guard status != 429 else {
      throw PalanaError(.conflict, "the agent is over its limits at the gateway", hint: "try again when it is quieter")
    }
  }

  private func record(_ one: AttackCase, _ verdict: AttackRecord.Verdict, _ came: String, of count: Int) -> AttackRecord {
    AttackRecord(
      family: one.family, name: one.name, claim: one.claim, verdict: verdict, sent: Self.printable(one.sent), came: came,
      advice: verdict == .broken ? one.family.advice(agent: job.agent) : nil, of: count)
  }

  /// What is sent holds control characters on purpose; what is shown does not.
  private static func printable(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
        ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }.joined()
  }
}
