import NIOCore
import Testing

@testable import PalanaSecrets

/// Values are found by their fingerprints, wherever they stand and however they are cut.
struct FingerprintTests {
  private static let key = FingerprintKey()
  private static let value = "canary-7f3a9c-s3cr3t-value"

  private static func index(_ values: String...) -> FingerprintIndex {
    FingerprintIndex(values.map { ValueFingerprint(Array($0.utf8), key: key) }, key: key)
  }

  private static func scrubbed(_ pieces: [ArraySlice<UInt8>], _ index: FingerprintIndex, shortestHeld: Int = 1) -> String {
    var scrubber = ResponseScrubber(index, shortestHeld: shortestHeld)
    var result: [UInt8] = []
    for piece in pieces {
      if let bytes = scrubber.scrub(ByteBuffer(bytes: piece)) { result += bytes.readableBytesView }
    }
    if let bytes = scrubber.finish() { result += bytes.readableBytesView }
    return String(decoding: result, as: UTF8.self)
  }

  private static func stars(_ count: Int) -> String { String(repeating: "*", count: count) }

  /// Every form, cut in two at every place, in bytes, and in three at many.
  @Test func everyFormAtEverySplit() {
    let value = "s3cr3t/\"va lue+\\1<"
    let index = Self.index(value)
    for form in SecretForms.all(of: Array(value.utf8)) {
      let text = Array("before ".utf8) + form + Array(" after".utf8)
      let expected = "before " + Self.stars(form.count) + " after"
      #expect(Self.scrubbed([text[...]], index) == expected)
      #expect(Self.scrubbed(text.indices.map { text[$0...$0] }, index) == expected)
      for first in 0...text.count {
        #expect(Self.scrubbed([text[..<first], text[first...]], index) == expected)
        for second in stride(from: first, through: text.count, by: 5) {
          #expect(Self.scrubbed([text[..<first], text[first..<second], text[second...]], index) == expected)
        }
      }
    }
  }

  /// Nothing that was not a value is changed or lost, whatever it begins like.
  @Test(arguments: [1, 4])
  func whatOnlyBeginsLikeAValuePasses(_ shortestHeld: Int) {
    let index = Self.index(Self.value)
    let value = Array(Self.value.utf8)
    for length in 0..<value.count {
      let text = value[..<length] + Array(" canary-7f3a9c-s3cr3t-valuf c".utf8) + value[..<length]
      for cut in stride(from: 0, through: text.count, by: 3) {
        #expect(
          Self.scrubbed([text[..<cut], text[cut...]], index, shortestHeld: shortestHeld) == String(decoding: text, as: UTF8.self))
      }
    }
  }

  /// Where one value is the beginning of another, or they overlap, all of it goes.
  @Test func overlappingValues() {
    let long = Self.value + "-and-more-of-it"
    let other = "s3cr3t-value-and-more-of-it-and-more"
    let index = Self.index(Self.value, long, other)
    let rows = [
      (Self.value + "!", Self.stars(Self.value.utf8.count) + "!"), (long + "!", Self.stars(long.utf8.count) + "!"),
      ("canary-7f3a9c-" + other + "!", Self.stars(14 + other.utf8.count) + "!"),
      (Self.value + Self.value, Self.stars(2 * Self.value.utf8.count)),
    ]
    for (text, expected) in rows {
      let bytes = Array(text.utf8)
      for cut in 0...bytes.count { #expect(Self.scrubbed([bytes[..<cut], bytes[cut...]], index) == expected) }
      #expect(Self.scrubbed(bytes.indices.map { bytes[$0...$0] }, index) == expected)
    }
  }

  /// Only what may be the beginning of a value waits.
  @Test func whatIsHeldBack() {
    var scrubber = ResponseScrubber(Self.index(Self.value), shortestHeld: 1)
    #expect(scrubber.scrub(ByteBuffer(string: "data: event\n\n")) == ByteBuffer(string: "data: event\n\n"))
    #expect(scrubber.scrub(ByteBuffer(string: "data: can")) == ByteBuffer(string: "data: "))
    #expect(scrubber.scrub(ByteBuffer(string: "ary-7f3a")) == nil)
    #expect(scrubber.scrub(ByteBuffer(string: "9c-s")) == nil)
    // Eight bytes at a time are compared.
    #expect(scrubber.scrub(ByteBuffer(string: "4cr3t-v")) == ByteBuffer(string: "canary-7f3a9c-s4cr3t-v"))
    #expect(scrubber.finish() == nil)
  }

  /// Three bytes never wait; the rest of a value that began with them is masked.
  @Test func shortBeginningsPass() {
    var scrubber = ResponseScrubber(Self.index(Self.value))
    #expect(scrubber.scrub(ByteBuffer(string: "message can")) == ByteBuffer(string: "message can"))
    #expect(scrubber.scrub(ByteBuffer(string: "ary-7f3a9c-s3cr3t-value.")) == ByteBuffer(string: Self.stars(23) + "."))
    #expect(scrubber.scrub(ByteBuffer(string: "cana")) == nil)
    #expect(scrubber.scrub(ByteBuffer(string: "l")) == ByteBuffer(string: "canal"))
    #expect(scrubber.finish() == nil)
  }

  /// Short values are looked for at every place, longer ones at fewer.
  @Test(arguments: [8...14, 8...8, 9...30, 12...12, 15...40, 60...60])
  func randomTextsAgainstASlowSearch(_ lengths: ClosedRange<Int>) {
    var generator = SeededGenerator(state: 7)
    for _ in 0..<2_000 {
      // Few letters, so that beginnings and overlaps happen all the time.
      let letters = Array("abcdef".utf8)
      let values = (0..<3).map { _ in
        (0..<Int.random(in: lengths, using: &generator)).compactMap { _ in letters.randomElement(using: &generator) }
      }
      var text: [UInt8] = []
      while text.count < 120 {
        let value = values[Int.random(in: 0..<3, using: &generator)]
        text += value[..<Int.random(in: 0...value.count, using: &generator)]
      }
      let known = values.filter { SecretForms.all(of: $0).contains($0) }
      var expected = text
      for value in known {
        for start in 0...(text.count - value.count) where text[start..<(start + value.count)].elementsEqual(value) {
          for index in start..<(start + value.count) { expected[index] = UInt8(ascii: "*") }
        }
      }
      let index = FingerprintIndex(known.map { ValueFingerprint($0, key: Self.key) }, key: Self.key)
      var pieces: [ArraySlice<UInt8>] = []
      var position = 0
      while position < text.count {
        let end = min(text.count, position + Int.random(in: 1...40, using: &generator))
        pieces.append(text[position..<end])
        position = end
      }
      #expect(Self.scrubbed(pieces, index) == String(decoding: expected, as: UTF8.self))
    }
  }
}
