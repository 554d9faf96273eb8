import NIOCore
import Testing

@testable import PalanaEgress

/// Compressed contents, however they are cut, within bounds.
struct InflaterTests {
  private static let text = Array(String(repeating: "some text, more text; ", count: 300).utf8)

  private static func decode(
    _ pieces: [ArraySlice<UInt8>], _ coding: Inflater.Coding, limits: Inflater.Limits = Inflater.Limits()
  ) throws(Inflater.Failure) -> [UInt8] {
    let inflater = Inflater(coding, limits: limits)
    var result: [UInt8] = []
    for piece in pieces { try inflater.decode(ByteBuffer(bytes: piece)) { result += $0.readableBytesView } }
    try inflater.finish()
    return result
  }

  @Test(arguments: [(31, true), (15, false), (-15, false)] as [(Int32, Bool)])
  func everyFormatAtEveryCut(_ window: Int32, _ isGzip: Bool) throws {
    let coded = Gzip.compress(Self.text, window: window)
    let coding: Inflater.Coding = isGzip ? .gzip : .deflate
    #expect(try Self.decode(coded.indices.map { coded[$0...$0] }, coding) == Self.text)
    for cut in coded.indices { #expect(try Self.decode([coded[..<cut], coded[cut...]], coding) == Self.text) }
    // What follows the end means nothing.
    #expect(try Self.decode([(coded + [0, 0, 0])[...]], coding) == Self.text)
    #expect(throws: Inflater.Failure.malformed) { try Self.decode([coded.dropLast(9)], coding) }
    #expect(try Self.decode([], coding) == [])
  }

  @Test func severalMembers() throws {
    let coded = Gzip.compress(Self.text) + Gzip.compress(Array("the end".utf8))
    #expect(try Self.decode([coded[...]], .gzip) == Self.text + Array("the end".utf8))
  }

  @Test func muchFromLittle() throws {
    let zeros = [UInt8](repeating: 0, count: 8 << 20)
    let coded = Gzip.compress(zeros)
    #expect(coded.count < 16_384)
    #expect(throws: Inflater.Failure.tooLarge) { try Self.decode([coded[...]], .gzip) }
    #expect(throws: Inflater.Failure.tooLarge) { try Self.decode(coded.indices.map { coded[$0...$0] }, .gzip) }
    #expect(throws: Inflater.Failure.tooLarge) {
      try Self.decode([Gzip.compress(Self.text)[...]], .gzip, limits: .init(total: 1000))
    }
    // A small answer may be as dense as it likes.
    let small = [UInt8](repeating: 0, count: 200_000)
    #expect(try Self.decode([Gzip.compress(small)[...]], .gzip) == small)
  }

  @Test func damage() {
    var coded = Gzip.compress(Self.text)
    for index in stride(from: 0, to: coded.count, by: 7) {
      coded[index] ^= 0x55
      // It ends, one way or another.
      _ = try? Self.decode([coded[...]], .gzip)
      coded[index] ^= 0x55
    }
    #expect(throws: Inflater.Failure.malformed) { try Self.decode([Array("not gzip at all".utf8)[...]], .gzip) }
  }
}
