import NIOCore
import Testing

@testable import PalanaLLM

@Suite struct EventScannerTests {
  struct Event: Equatable, CustomStringConvertible {
    var raw: String
    var type: String?
    var data: String?
    var isComplete = true
    var description: String { "\(raw.debugDescription): \(type ?? "-") \(data?.debugDescription ?? "-") \(isComplete)" }

    init(_ raw: String, _ data: String?, _ type: String? = nil, isComplete: Bool = true) {
      self.raw = raw
      self.type = type
      self.data = data
      self.isComplete = isComplete
    }

    init(_ event: StreamEvent) {
      raw = String(buffer: event.raw)
      type = event.type.map { String(buffer: $0) }
      data = event.data.map { String(buffer: $0) }
      isComplete = event.isComplete
    }
  }

  static func read(_ pieces: [some Sequence<UInt8>], limit: Int = 1000) throws -> [Event] {
    var scanner = EventScanner(limit: limit)
    var events: [Event] = []
    for piece in pieces {
      scanner.append(ByteBuffer(bytes: piece))
      while let event = try scanner.next() { events.append(Event(event)) }
    }
    while let event = scanner.finish() { events.append(Event(event)) }
    return events
  }

  static let rows: [(String, [Event])] = [
    ("", []),
    ("data: a\n\n", [Event("data: a\n\n", "a")]),
    ("data:a\n\ndata: b\n\n", [Event("data:a\n\n", "a"), Event("data: b\n\n", "b")]),
    ("data:  a\n\n", [Event("data:  a\n\n", " a")]),
    ("event: x\ndata: {}\n\n", [Event("event: x\ndata: {}\n\n", "{}", "x")]),
    ("data: a\nevent: x\nevent: y\n\n", [Event("data: a\nevent: x\nevent: y\n\n", "a", "y")]),
    ("data: a\ndata: b\ndata\ndata:\n\n", [Event("data: a\ndata: b\ndata\ndata:\n\n", "a\nb\n\n")]),
    (": hello\n\n", [Event(": hello\n\n", nil)]),
    (":\ndata: a\n: c\n\n", [Event(":\ndata: a\n: c\n\n", "a")]),
    (
      "id: 7\nretry: 9\ndata: a\nunknown: x\ndatabase: y\ndataa: z\nDATA: q\n\n",
      [Event("id: 7\nretry: 9\ndata: a\nunknown: x\ndatabase: y\ndataa: z\nDATA: q\n\n", "a")]
    ),
    ("data: a\r\n\r\ndata: b\r\n\r\n", [Event("data: a\r\n\r\n", "a"), Event("data: b\r\n\r\n", "b")]),
    ("data: a\r\rdata: b\r\r", [Event("data: a\r\r", "a"), Event("data: b\r\r", "b")]),
    ("data: a\n\r\ndata: b\n\n", [Event("data: a\n\r", "a"), Event("\n", nil), Event("data: b\n\n", "b")]),
    ("data: a\r\n\rdata: b\n\n", [Event("data: a\r\n\r", "a"), Event("data: b\n\n", "b")]),
    ("data: a\r\n\ndata: b\r\r\n", [Event("data: a\r\n\n", "a"), Event("data: b\r\r", "b"), Event("\n", nil)]),
    ("\u{feff}data: a\n\n\u{feff}data: b\n\n", [Event("\u{feff}data: a\n\n", "a"), Event("\u{feff}data: b\n\n", nil)]),
    ("\n\n\ndata: a\n\n", [Event("\n", nil), Event("\n", nil), Event("\n", nil), Event("data: a\n\n", "a")]),
    ("data: é€😀\n\n", [Event("data: é€😀\n\n", "é€😀")]),
    ("data: a", [Event("data: a", "a", isComplete: false)]), ("data: a\n", [Event("data: a\n", "a", isComplete: false)]),
    ("data: a\r", [Event("data: a\r", "a", isComplete: false)]), ("data: a\r\n\r", [Event("data: a\r\n\r", "a")]),
    ("data: a\n\nda", [Event("data: a\n\n", "a"), Event("da", nil, isComplete: false)]),
  ]

  @Test(arguments: rows) func findsTheEventsAtEveryCut(_ stream: String, _ expected: [Event]) throws {
    let bytes = Array(stream.utf8)
    #expect(try Self.read([bytes]) == expected)
    #expect(try Self.read(bytes.map { [$0] }) == expected)
    for first in 0...bytes.count {
      #expect(try Self.read([bytes[..<first], bytes[first...]]) == expected)
      guard bytes.count < 24 else { continue }
      for second in first...bytes.count {
        #expect(try Self.read([bytes[..<first], bytes[first..<second], bytes[second...]]) == expected)
      }
    }
    #expect(expected.map(\.raw).joined() == stream)
  }

  @Test func anEventIsThereAtOnce() throws {
    for stream in ["data: a\n\n", "data: a\r\n\r\n", "data: a\r\r"] {
      var scanner = EventScanner()
      scanner.append(ByteBuffer(string: stream))
      #expect(try scanner.next()?.data == ByteBuffer(string: "a"))
    }
  }

  @Test func boundsEachEvent() throws {
    let event = "event: x\ndata: 12345\n\n"
    #expect(try Self.read([(event + event).utf8], limit: event.utf8.count).count == 2)
    for stream in [event, "data: 1234567890123456789012345", ": " + String(repeating: "\n:", count: 20)] {
      let limit = event.utf8.count - 1
      #expect(throws: StreamFailure.eventTooLong(limit: limit)) { try Self.read([stream.utf8], limit: limit) }
      #expect(throws: StreamFailure.eventTooLong(limit: limit)) { try Self.read(stream.utf8.map { [$0] }, limit: limit) }
    }
  }

  @Test func knowsTypesAndTheEnd() throws {
    var scanner = EventScanner()
    scanner.append(ByteBuffer(string: "event: ping\ndata: {}\n\ndata: [DONE]\n\ndata: [DONE]!\n\n"))
    let ping = try #require(try scanner.next())
    #expect(ping.isOfType("ping") && !ping.isOfType("pin") && !ping.isDone)
    #expect(try scanner.next()?.isDone == true)
    #expect(try scanner.next()?.isDone == false)
  }
}
