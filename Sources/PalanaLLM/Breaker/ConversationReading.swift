import NIOCore

/// What a request says of how its agent goes on: what is new in it since the model spoke last, and whether the model calls the same tools
/// over and over.
///
/// The time that it takes is bounded, whatever the body: 256 KiB of new turns are taken apart, of whose texts 8 KiB are compared, and 64 KiB
/// of the turns before.
struct ConversationReading: Hashable, Sendable {
  /// Nil: there is no text to compare.
  var print: PromptPrint?
  /// How often the last call of a tool, or the last few, came again in a row.
  var toolLoops = 0

  /// How many bytes of the new turns are taken apart, and of those before.
  private static let newBytes = 256 << 10
  private static let oldBytes = 64 << 10

  /// Of a request that says nothing.
  static let empty = ConversationReading()

  private init() {}

  /// - Parameter scan: made of `body`, with its turns.
  init(_ scan: RequestScan, _ body: ByteBuffer) { self.init(scan, body.readableBytesUInt8Span) }

  init(_ scan: RequestScan, _ bytes: borrowing Span<UInt8>) {
    var printer = PromptPrinter()
    if let text = scan.turnText { printer.add(bytes, text) }
    var before = scan.turns[...]
    var isAnsweredByPerson = false
    var last: TurnReader?
    var budget = Self.newBytes
    // What is new, the last first.
    while let place = before.popLast(), budget > 0 {
      let turn = TurnReader(bytes.extracting(place), needsText: true)
      budget -= turn.cost
      if turn.author == .model {
        last = turn
        break
      }
      guard turn.author != .system else { continue }
      isAnsweredByPerson = isAnsweredByPerson || turn.author == .person
      for text in turn.texts { printer.add(bytes, text.lowerBound + place.lowerBound..<text.upperBound + place.lowerBound) }
    }
    // What the model said last, and what it said before that, as long as only tools answered.
    var cycle = ToolCycle()
    var answered: UInt64 = 0
    var isLast = true
    var next = last
    budget = Self.oldBytes
    while let turn = next {
      if turn.author == .model {
        for call in turn.calls.reversed() {
          if isLast { answered = (answered ^ call.loose).mixed }
          cycle.add(call.exact)
        }
      } else {
        isLast = false
        if isAnsweredByPerson || turn.author == .person { break }
      }
      // What the model called at last is needed whole.
      if !isLast, !cycle.isOpen { break }
      guard budget > 0, let place = before.popLast() else { break }
      next = TurnReader(bytes.extracting(place), needsText: false)
      budget -= next?.cost ?? 0
    }
    let print = printer.finish(calls: answered)
    self.print = print.isEmpty ? nil : print
    if !isAnsweredByPerson { toolLoops = cycle.count }
  }
}
