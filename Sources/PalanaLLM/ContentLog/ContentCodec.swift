import FoundationEssentials
import NIOCore
import PalanaCore

/// A record as it stands in a file: two lengths, their mark, the card and the bodies, the last two sealed.
enum ContentCodec {
  /// Lengths and mark.
  static let prefixBytes = 8 + ContentSeal.markBytes
  /// Names in a card are short.
  static let mostCardBytes = 16 << 10
  /// Of a file with all that it may have in it.
  static let mostFileBytes = 64 << 20

  static func encode(_ record: ContentRecord, number: UInt64, _ seal: ContentSeal) throws -> [UInt8] {
    let card = try seal.seal(Array(JSONEncoder().encode(record.card)), .card, of: number)
    let request = UInt32(record.request.readableBytes)
    let body = try seal.seal(request.bytes + record.request.readableBytesView + record.answer.readableBytesView, .body, of: number)
    let lengths = UInt32(card.count).bytes + UInt32(body.count).bytes
    return lengths + seal.mark(lengths, of: number) + card + body
  }

  static func card(_ plain: [UInt8]) -> ContentRecord.Card? { try? JSONDecoder().decode(ContentRecord.Card.self, from: Data(plain)) }

  /// The request and the answer.
  static func bodies(_ plain: [UInt8]) -> (request: ByteBuffer, answer: ByteBuffer)? {
    var bytes = ByteBuffer(bytes: plain)
    guard let count = bytes.readInteger(as: UInt32.self), let request = bytes.readSlice(length: Int(count)) else { return nil }
    return (request, bytes)
  }
}

/// Reads a file from its beginning to its end, card by card. Bodies are opened only where they are asked for.
struct ContentReader {
  struct Entry {
    var card: ContentRecord.Card
    var number: UInt64
    var body: Range<Int>
  }

  /// What is wrong with the file, in words for operators.
  private(set) var damages: [String] = []
  /// Bytes of a last record that was not written to its end.
  private(set) var torn = 0
  private let name: String
  private let bytes: [UInt8]
  private let seal: ContentSeal?
  private var place = ContentHeader.count
  private var number: UInt64 = 0

  init(_ bytes: [UInt8], named name: String, master: ContentKey) {
    self.name = name
    self.bytes = bytes
    if bytes.count < ContentHeader.count {
      torn = bytes.count
      seal = nil
    } else if let header = ContentHeader(bytes[..<ContentHeader.count]), name.contains(header.id) {
      seal = ContentSeal(master.symmetric, header)
    } else {
      seal = nil
      damages.append("\(name): the beginning is not as it was written, so that nothing in it can be read")
    }
  }

  /// The next record whose card is as it was written; nil at the end, or where what follows cannot be read.
  mutating func next() -> Entry? {
    while let seal, place < bytes.count {
      let rest = bytes.count - place
      guard rest >= ContentCodec.prefixBytes else {
        stop(tearing: rest)
        return nil
      }
      let lengths = bytes[place..<place + 8]
      let mark = bytes[place + 8..<place + ContentCodec.prefixBytes]
      guard seal.isMark(mark, lengths, of: number) else {
        damages.append("\(name): record \(number) is not as it was written, so that what follows it cannot be read")
        stop(tearing: 0)
        return nil
      }
      let card = lengths.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      let body = lengths.suffix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest - ContentCodec.prefixBytes >= card + body else {
        stop(tearing: rest)
        return nil
      }
      let start = place + ContentCodec.prefixBytes
      let current = number
      place = start + card + body
      number += 1
      guard let plain = seal.open(bytes[start..<start + card], .card, of: current), let read = ContentCodec.card(plain) else {
        damages.append("\(name): record \(current) is not as it was written")
        continue
      }
      return Entry(card: read, number: current, body: start + card..<place)
    }
    return nil
  }

  private mutating func stop(tearing bytes: Int) {
    torn = bytes
    place = self.bytes.count
  }

  /// The whole record.
  ///
  /// - Throws: ``PalanaError`` with code `failed` when what was said is not as it was written.
  func record(_ entry: Entry) throws(PalanaError) -> ContentRecord {
    guard let plain = seal?.open(bytes[entry.body], .body, of: entry.number), let bodies = ContentCodec.bodies(plain) else {
      throw PalanaError(
        .failed, "what was said in this call is not as it was written (\(name), record \(entry.number))",
        hint: "somebody changed the file, or the disk is damaged: other records can still be read")
    }
    return ContentRecord(card: entry.card, request: bodies.request, answer: bodies.answer)
  }
}
