import PalanaControlAPI
import PalanaCore
import Testing

/// A generator with a seed, so that what fuzzing finds can be found again.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

@Suite struct ExecFrameTests {
  static let samples: [ExecFrame] = [
    .start(ExecStart(command: ["ls", "-l"], terminal: .init(rows: 24, columns: 80), env: ["A": "b"])),
    .start(ExecStart(command: [])), .stdin([]), .stdin([0, 1, 255]), .endOfInput,
    .resize(.init(rows: 65_535, columns: 1)), .signal(1), .signal(64), .stdout(Array("hello".utf8)), .stderr([9]),
    .stdout([UInt8](repeating: 7, count: ExecFrame.maximumPayload)), .exit(0), .exit(-1), .exit(137),
    .failure(PalanaError(.conflict, "killed", hint: "unkill")),
  ]

  @Test(arguments: samples)
  func roundTrip(frame: ExecFrame) throws {
    var decoder = ExecFrameDecoder()
    decoder.push(try frame.encoded())
    #expect(try decoder.next() == frame)
    #expect(try decoder.next() == nil)
    try decoder.finish()
  }

  @Test func framesSurviveEveryCut() throws {
    let frames = Self.samples.filter { if case .stdout(let bytes) = $0 { bytes.count < 100 } else { true } }
    let bytes = try frames.flatMap { try $0.encoded() }
    for size in [1, 2, 3, 5, 7, 64, bytes.count] {
      var decoder = ExecFrameDecoder()
      var read: [ExecFrame] = []
      for start in stride(from: 0, to: bytes.count, by: size) {
        decoder.push(bytes[start..<min(start + size, bytes.count)])
        while let frame = try decoder.next() { read.append(frame) }
      }
      #expect(read == frames)
    }
  }

  @Test(
    arguments: [
      ([0, 0, 0, 0, 0], "there is no frame of type 0"), ([99, 0, 0, 0, 0], "there is no frame of type 99"),
      ([2, 0, 1, 0, 1], "a frame holds at most 65536 bytes"), ([2, 255, 255, 255, 255], "a frame holds at most"),
      ([3, 0, 0, 0, 1, 1], "has 0 bytes"), ([4, 0, 0, 0, 3, 1, 1, 1], "has 4 bytes"),
      ([5, 0, 0, 0, 1, 0], "a signal is a number"), ([5, 0, 0, 0, 1, 65], "a signal is a number"),
      ([1, 0, 0, 0, 2, 123, 125], "not the JSON"), ([1, 0, 0, 0, 1, 34], "not the JSON"),
      ([19, 0, 0, 0, 5, 0, 0, 0, 0, 0], "has 4 bytes"),
    ] as [([UInt8], String)])
  func malformedFramesAreRefused(bytes: [UInt8], message: String) {
    var decoder = ExecFrameDecoder()
    decoder.push(bytes)
    let error = #expect(throws: PalanaError.self) { try decoder.next() }
    #expect(error?.code == .invalid)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    // The boundary of frames is lost: nothing that follows may be taken for one.
    decoder.push([3, 0, 0, 0, 0])
    #expect(throws: PalanaError.self) { try decoder.next() }
  }

  @Test func aLengthOverTheBoundIsRefusedBeforeItsBytesCome() {
    var decoder = ExecFrameDecoder()
    decoder.push([2, 0, 1, 0, 1] as [UInt8])
    #expect(throws: PalanaError.self) { try decoder.next() }
    #expect(decoder.pendingBytes == 5)
  }

  @Test func tooLargeFramesAreNotWritten() {
    #expect(throws: PalanaError.self) {
      try ExecFrame.stdin([UInt8](repeating: 0, count: ExecFrame.maximumPayload + 1)).encoded()
    }
  }

  @Test func aCutFrameIsNoticedAtTheEnd() throws {
    var decoder = ExecFrameDecoder()
    decoder.push(try ExecFrame.stdin([1, 2, 3]).encoded().dropLast())
    #expect(try decoder.next() == nil)
    #expect(throws: PalanaError.self) { try decoder.finish() }
  }

  @Test(arguments: 0..<40)
  func fuzzNeverCrashesAndStaysBounded(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var decoder = ExecFrameDecoder()
    var isBroken = false
    for _ in 0..<200 {
      var bytes: [UInt8]
      if Bool.random(using: &generator), let frame = Self.samples.randomElement(using: &generator) {
        bytes = try frame.encoded()
        if bytes.count > 0, Int.random(in: 0..<4, using: &generator) == 0 {
          bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
        }
      } else {
        bytes = (0..<Int.random(in: 0..<64, using: &generator)).map { _ in .random(in: 0...255, using: &generator) }
      }
      decoder.push(bytes)
      do {
        while try decoder.next() != nil { #expect(!isBroken) }
      } catch {
        isBroken = true
      }
      if isBroken { break }
      #expect(decoder.pendingBytes <= ExecFrame.maximumPayload + 5)
    }
  }

  @Test func chunksCoverEverything() {
    let bytes = [UInt8](repeating: 3, count: ExecFrame.maximumPayload * 2 + 1)
    let chunks = ExecFrame.chunks(bytes)
    #expect(chunks.map(\.count) == [ExecFrame.maximumPayload, ExecFrame.maximumPayload, 1])
    #expect(ExecFrame.chunks([]).isEmpty)
  }
}
