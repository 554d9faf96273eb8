import PalanaControlAPI
import PalanaCore
import Testing

@testable import PalanaControl

@Suite struct QueryReaderTests {
  private static let route = Operation.agentLogs.route

  @Test(arguments: [
    "owner=%4", "owner=%", "owner=%zz", "owner=%c3%28", "owner=a&owner=b", "tail=1&tail=2", "nothing=1", "=1",
    "Owner=a", "follow&follow",
  ])
  func refused(query: String) {
    let error = #expect(throws: PalanaError.self) { try QueryReader(query, for: Self.route) }
    #expect(error?.code == .invalid)
  }

  @Test func read() throws {
    let query = try QueryReader("owner=a%20b%40c&follow&previous=false&tail=5&since=", for: Self.route)
    #expect(try query.user("owner")?.raw == "a b@c")
    #expect(try query.flag("follow"))
    #expect(try !query.flag("previous"))
    #expect(try query.integer("tail", in: 0...10) == 5)
    #expect(try query.time("since") == nil)
    #expect(throws: PalanaError.self) { try query.integer("tail", in: 0...4) }
    #expect(try QueryReader(nil, for: Self.route).text("owner") == nil)
    let repeated = try QueryReader("phase=Running&phase=Failed", for: Operation.waitForAgent.route)
    #expect(repeated.all("phase") == ["Running", "Failed"])
  }
}
