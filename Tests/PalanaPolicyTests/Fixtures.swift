import PalanaCore

@testable import PalanaPolicy

/// A generator whose numbers are the same in each run (SplitMix64), so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// A text of up to `length` pieces.
  mutating func text(_ pieces: [String], length: Int) -> String {
    (0..<Int.random(in: 0...length, using: &self)).map { _ in pieces.randomElement(using: &self) ?? "" }.joined()
  }
}

/// The agent `demo` of alice.
func subject() throws -> PolicySubject {
  let owner = try UserIdentity("alice@example.com")
  let name = try ResourceName("demo")
  return PolicySubject(
    id: AgentID(owner: owner, name: name), name: name, owner: owner, template: "python", labels: ["team": "core"])
}

/// `GET https://host:443/path`, or a CONNECT when there is no method.
func request(
  _ method: String?, _ authority: String, _ path: String? = "/", scheme: EgressRequest.Scheme = .https
) throws -> EgressRequest {
  EgressRequest(
    subject: try subject(), stage: method == nil ? .authority : .request, scheme: scheme,
    authority: try Authority.parse(hostHeader: authority, defaultPort: scheme == .https ? 443 : 80), method: method,
    path: method == nil ? nil : path)
}
