import PalanaCore
import PalanaKube
import Testing

@testable import PalanaCluster

@Suite struct TokenReviewTests {
  private static let alice: JSONValue = [
    "authenticated": true, "audiences": ["palana"],
    "user": ["username": "alice", "uid": "7", "groups": ["a", "b"], "extra": ["example.com/team": ["x"]]],
  ]

  @Test func everythingThatIsSaidIsTaken() {
    let subject = TokenReviewer.subject(["status": Self.alice], ["palana"])
    #expect(subject == .init(user: "alice", groups: ["a", "b"], uid: "7", extra: ["example.com/team": ["x"]]))
  }

  @Test(
    arguments: [
      ["status": ["authenticated": false, "user": ["username": "alice"]]],
      ["status": ["user": ["username": "alice"]]], ["status": ["authenticated": true, "user": ["username": ""]]],
      ["status": ["authenticated": true]], ["status": ["authenticated": "true", "user": ["username": "alice"]]], [:],
      // Nothing says for whom the token is.
      ["status": ["authenticated": true, "user": ["username": "alice"]]],
      ["status": ["authenticated": true, "audiences": ["other"], "user": ["username": "alice"]]],
    ] as [JSONValue])
  func nobody(answer: JSONValue) {
    #expect(TokenReviewer.subject(answer, ["palana"]) == nil)
  }

  @Test func groupsOfTheClusterAreNotSaid() {
    typealias Row = (user: String, groups: [String], said: [String])
    let rows: [Row] = [
      ("alice", ["team", "system:authenticated"], ["team"]), ("root", ["system:masters", "system:authenticated"], ["palana:masters"]),
      ("system:serviceaccount:a:b", ["system:serviceaccounts", "system:serviceaccounts:a"], []),
    ]
    for row in rows {
      #expect(Impersonation(signedIn: row.user, groups: row.groups, uid: nil, extra: [:]).groups == row.said, "\(row.user)")
    }
  }
}
