import Foundation
import PalanaCore
import Testing

@Suite struct RedactedTests {
  private struct Holder {
    var user = "alice"
    var token: Redacted<String>
    var keys: [Redacted<[UInt8]>]
  }

  private let holder = Holder(token: Redacted("CANARY-1"), keys: [Redacted(Array("CANARY-2".utf8))])

  @Test func noTextualFormShowsTheValue() {
    var dumped = ""
    dump(holder, to: &dumped)
    var printed = ""
    print(holder, holder.token, holder.keys, to: &printed)
    let forms = [
      dumped, printed, "\(holder)", "\(holder.token)", String(describing: holder), String(reflecting: holder),
      String(describing: Optional(holder.token)), String(reflecting: holder.token), holder.token.debugDescription,
      "\(Mirror(reflecting: holder.token).children.map { "\($0)" })",
      "\(Mirror(reflecting: holder).children.map { "\($0)" })",
      String(format: "%@", "\(holder.keys)"),
    ]
    for form in forms {
      #expect(!form.contains("CANARY"))
      // The bytes of the second one, printed as numbers.
      #expect(!form.contains("67, 65, 78"))
    }
    #expect("\(holder.token)" == "‹redacted›")
  }

  @Test func itCannotBeEncoded() {
    #expect(!(holder.token as Any is any Encodable))
  }

  @Test func theValueComesOutByNameOnly() {
    #expect(holder.token.reveal() == "CANARY-1")
    #expect(holder.token.map(\.count).reveal() == 8)
    #expect(holder.token.matches(Redacted("CANARY-1")))
    #expect(!holder.token.matches(Redacted("CANARY-2")))
    #expect(!holder.token.matches(Redacted("CANARY-11")))
  }
}
