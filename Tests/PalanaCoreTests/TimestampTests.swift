import PalanaCore
import Testing

@Suite struct TimestampTests {
  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000000Z"),
    (-1, "1969-12-31T23:59:59.999999Z"),
    (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
    (1_709_164_800_000_000, "2024-02-29T00:00:00.000000Z"),
    (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
    (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
    (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    (1_795_222_115_120_034, "2026-11-21T00:48:35.120034Z"),
  ])
  func knownMoments(_ microseconds: Int64, _ text: String) {
    #expect(Timestamp(microseconds: microseconds).description == text)
    #expect(Timestamp(parsing: text)?.microseconds == microseconds)
  }

  @Test(arguments: [
    ("2026-11-21T00:48:35Z", 1_795_222_115_000_000),
    ("2026-11-21t00:48:35z", 1_795_222_115_000_000),
    ("2026-11-21 00:48:35Z", 1_795_222_115_000_000),
    ("2026-11-21T02:18:35.5+01:30", 1_795_222_115_500_000),
    ("2026-11-20T23:48:35-01:00", 1_795_222_115_000_000),
    ("2026-11-21T00:48:35.123456789Z", 1_795_222_115_123_456),
  ])
  func spellings(_ text: String, _ microseconds: Int64) {
    #expect(Timestamp(parsing: text)?.microseconds == microseconds)
  }

  @Test(arguments: [
    "", "2026", "2026-11-21", "2026-11-21T00:48:35", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
    "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-00T00:00:00Z",
    "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100",
    "2026-01-01T00:00:00Z ", " 2026-01-01T00:00:00Z", "２026-01-01T00:00:00Z",
  ])
  func refused(_ text: String) {
    #expect(Timestamp(parsing: text) == nil)
  }

  @Test func randomMomentsRoundTripAndTextOrderIsTimeOrder() {
    var generator = SeededGenerator(seed: 17)
    var moments: [Timestamp] = []
    for _ in 0..<2000 {
      let moment = Timestamp(microseconds: Int64.random(in: 0..<253_402_300_800_000_000, using: &generator))
      #expect(Timestamp(parsing: moment.description) == moment)
      moments.append(moment)
    }
    #expect(moments.sorted().map(\.description) == moments.map(\.description).sorted())
  }

  @Test func arithmetic() {
    let moment = Timestamp(seconds: 100)
    #expect(moment + .milliseconds(1500) == Timestamp(microseconds: 101_500_000))
    #expect(moment - .seconds(1) == Timestamp(seconds: 99))
    #expect(moment - Timestamp(seconds: 40) == .seconds(60))
    #expect(Duration.microseconds(1234).milliseconds == 1.234)
  }
}

/// The same numbers on every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
