/// Counts what a model reads of a value.
struct PromptMeter {
  /// Whether numbers are tokens.
  var countsNumbers = false
  /// Where the objects of a list stand; nil when nobody asks.
  var turns: TurnPlaces?

  private var text = TextSize()
  private var images = 0
  private var fileBytes = 0
  private var numbers = 0

  /// Goes through the value that comes next.
  ///
  /// - Returns: its first token.
  @discardableResult
  mutating func read(_ tokens: inout JSONTokenizer, _ bytes: borrowing Span<UInt8>) throws(JSONFlaw) -> JSONTokenizer.Token {
    let outside = tokens.depth
    let first = try tokens.next(bytes)
    var token = first
    var name: Range<Int>?
    while true {
      switch token {
      case .name(let member):
        // Names are read too: those of a tool's parameters are much of it.
        text += TextSize(member, bytes)
        name = member.range
        token = try tokens.next(bytes)
        continue
      case .text(let value): count(value, of: name, bytes)
      case .number(let range):
        text.signs &+= countsNumbers ? 0 : range.count
        numbers += 1
      case .beginObject: if tokens.depth == outside + 2 { turns?.begin(tokens.index - 1) }
      case .endObject: if tokens.depth == outside + 1 { turns?.end(tokens.index) }
      default: break
      }
      name = nil
      guard tokens.depth > outside else { return first }
      token = try tokens.next(bytes)
    }
  }

  func add(to call: inout ModelCall) {
    call.prompt += text
    call.images &+= images
    call.fileBytes &+= fileBytes
    if countsNumbers { call.promptTokens &+= numbers }
  }

  private mutating func count(_ value: JSONTokenizer.Text, of name: Range<Int>?, _ bytes: borrowing Span<UInt8>) {
    if let name {
      if bytes.equals("type", at: name) {
        if bytes.equals("image_url", at: value.range) || bytes.equals("input_image", at: value.range)
          || bytes.equals("image", at: value.range)
        {
          images += 1
        }
      } else if value.range.count >= 64, let kind = Attachment(named: name, value, bytes) {
        if kind == .file { fileBytes &+= value.range.count }
        return
      }
    }
    text += TextSize(value, bytes)
  }
}

/// Where the last objects of a list stand.
struct TurnPlaces {
  private var places: [Range<Int>] = []
  /// Where the next one goes, once there are as many as are kept.
  private var oldest = 0
  private var start: Int?

  mutating func begin(_ index: Int) { start = index }

  mutating func end(_ index: Int) {
    guard let start else { return }
    self.start = nil
    guard places.count == RequestScan.mostTurns else { return places.append(start..<index) }
    places[oldest] = start..<index
    oldest = (oldest + 1) % RequestScan.mostTurns
  }

  var inOrder: [Range<Int>] { oldest == 0 ? places : Array(places[oldest...] + places[..<oldest]) }
}

/// What is given in base64 in place of an address.
private enum Attachment {
  case image
  case file

  /// Nil for what the model reads as text. Only base64 to the last byte is not text: else a prompt could hide in it.
  init?(named name: Range<Int>, _ value: JSONTokenizer.Text, _ bytes: borrowing Span<UInt8>) {
    guard
      bytes.equals("url", at: name) || bytes.equals("data", at: name) || bytes.equals("image_url", at: name)
        || bytes.equals("file_data", at: name), value.otherBytes == 0
    else { return nil }
    var place = value.range.lowerBound
    var isImage = false
    if bytes.equals("data:", at: place..<place + 5) {
      isImage = bytes.equals("data:image/", at: place..<place + 11)
      let end = min(value.range.upperBound, place + 128)
      while place < end, bytes[place] != UInt8(ascii: ",") { place += 1 }
      guard place < end else { return nil }
      place += 1
    } else {
      // The first bytes of PNG, JPEG, GIF and WebP.
      isImage =
        bytes.equals("iVBOR", at: place..<place + 5) || bytes.equals("/9j/", at: place..<place + 4)
        || bytes.equals("R0lGO", at: place..<place + 5) || bytes.equals("UklGR", at: place..<place + 5)
    }
    while place < value.range.upperBound {
      guard Self.isBase64(bytes[place]) else { return nil }
      place += 1
    }
    self = isImage ? .image : .file
  }

  /// Of either alphabet of RFC 4648, with padding; a backslash because `/` may be escaped.
  private static func isBase64(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122, UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "="),
      UInt8(ascii: "\\"):
      true
    default: false
    }
  }
}
