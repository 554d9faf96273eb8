import Crypto
package import PalanaCore
package import PalanaKube

/// Who a bearer token belongs to, as the cluster says (`authentication.k8s.io/v1` `TokenReview`).
///
/// Answers are remembered for a few seconds, by the digest of the token: that is how long a token that was taken back may still be used
/// here. What is remembered, and how many questions are asked at once, is bounded.
package actor TokenReviewer {
  /// A person or program as the cluster knows them.
  package struct Subject: Hashable, Sendable {
    package var user: String
    package var groups: [String]
    package var uid: String?
    package var extra: [String: [String]]
  }

  private struct Answer {
    var subject: Subject?
    var until: ContinuousClock.Instant
  }

  private static let reviews = KubeResource("authentication.k8s.io", "v1", "tokenreviews", kind: "TokenReview", isNamespaced: false)
  /// No token of a cluster is longer.
  private static let mostBytes = 32_768

  private let client: KubeClient
  private let audiences: [String]
  private let lifetime: Duration
  private let most: Int
  private let atOnce: Int
  private let mostWaiting: Int
  private var answers: [SHA256.Digest: Answer] = [:]
  private var underWay = 0
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// - Parameters:
  ///   - client: as the platform itself.
  ///   - audiences: whom tokens have to be meant for; empty: the API server.
  ///   - lifetime: how long an answer is remembered.
  package init(
    _ client: KubeClient, audiences: [String] = [], lifetime: Duration = .seconds(10), most: Int = 1_024, atOnce: Int = 8,
    mostWaiting: Int = 256
  ) {
    self.client = client
    self.audiences = audiences
    self.lifetime = lifetime
    self.most = most
    self.atOnce = atOnce
    self.mostWaiting = mostWaiting
  }

  /// - Returns: nil when the cluster does not accept the token.
  /// - Throws: ``PalanaError`` with code `unreachable` when nobody can say.
  package func subject(of token: Redacted<String>) async throws(PalanaError) -> Subject? {
    let text = token.reveal()
    guard (1...Self.mostBytes).contains(text.utf8.count), text.utf8.allSatisfy({ (33...126).contains($0) }) else { return nil }
    let key = SHA256.hash(data: Array(text.utf8))
    if let known = known(key) { return known.subject }
    try await enter()
    defer { leave() }
    // Somebody may have asked meanwhile.
    if let known = known(key) { return known.subject }
    let subject = try await ask(token)
    remember(key, subject)
    return subject
  }

  private func known(_ key: SHA256.Digest) -> Answer? {
    guard let answer = answers[key] else { return nil }
    guard answer.until > .now else {
      answers[key] = nil
      return nil
    }
    return answer
  }

  private func remember(_ key: SHA256.Digest, _ subject: Subject?) {
    if answers.count >= most { answers = answers.filter { $0.value.until > .now } }
    if answers.count >= most { answers.removeAll(keepingCapacity: true) }
    answers[key] = Answer(subject: subject, until: .now + lifetime)
  }

  private func enter() async throws(PalanaError) {
    guard underWay >= atOnce else {
      underWay += 1
      return
    }
    guard waiting.count < mostWaiting else {
      throw PalanaError(.unreachable, "too many people sign in at this moment", hint: "try again in a few seconds")
    }
    // Who leaves hands the place on.
    await withCheckedContinuation { waiting.append($0) }
  }

  private func leave() {
    guard waiting.isEmpty else { return waiting.removeFirst().resume() }
    underWay -= 1
  }

  private func ask(_ token: Redacted<String>) async throws(PalanaError) -> Subject? {
    var spec: JSONObject = ["token": .string(token.reveal())]
    if !audiences.isEmpty { spec["audiences"] = .array(audiences.map(JSONValue.string)) }
    var review = KubeObject(Self.reviews, name: "")
    review["metadata"] = [:]
    review["spec"] = .object(spec)
    let answer: KubeObject
    do throws(KubeError) { answer = try await client.create(Self.reviews, review) } catch {
      throw PalanaError(.unreachable, "the cluster cannot be asked who is calling: \(error.message)")
    }
    return Self.subject(answer.json, audiences)
  }

  /// - Returns: nil for whom the cluster does not know, or knows for somebody else.
  static func subject(_ answer: JSONValue, _ audiences: [String]) -> Subject? {
    let status = answer["status"]
    guard status?["authenticated"]?.bool == true, let user = status?["user"], let name = user["username"]?.string, !name.isEmpty
    else { return nil }
    // An authenticator that knows nothing of audiences answers without them; then the token was for the API server.
    let granted = status?["audiences"]?.array?.compactMap(\.string) ?? []
    guard audiences.isEmpty || granted.contains(where: audiences.contains) else { return nil }
    var extra: [String: [String]] = [:]
    for (key, values) in user["extra"]?.object ?? JSONObject() { extra[key] = values.array?.compactMap(\.string) ?? [] }
    return Subject(
      user: name, groups: user["groups"]?.array?.compactMap(\.string) ?? [], uid: user["uid"]?.string.flatMap { $0.isEmpty ? nil : $0 },
      extra: extra)
  }
}
