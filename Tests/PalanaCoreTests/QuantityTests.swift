import Foundation
import PalanaCore
import Testing

@Suite struct QuantityTests {
  @Test(arguments: [
    ("0", 0), ("1048576", 1 << 20), ("2Gi", 2 << 30), ("512Mi", 512 << 20), ("4Ki", 4096), ("1Ti", 1 << 40),
    ("1k", 1000), ("3M", 3_000_000), ("1G", 1_000_000_000), ("2T", 2_000_000_000_000),
  ])
  func bytes(_ text: String, _ value: Int64) throws {
    let quantity = try ByteQuantity(text)
    #expect(quantity.bytes == value)
    #expect(quantity.description == text)
  }

  @Test(arguments: [
    "", "Gi", "-1Gi", "+1Gi", "-0", "1.5Gi", "1 Gi", "1gi", "1KiB", "9999999999Ti", "１Gi", "0x10", "1e3",
  ])
  func refusedBytes(_ text: String) {
    #expect(throws: PalanaError.self) { try ByteQuantity(text) }
  }

  @Test(arguments: [("2", 2000), ("0.5", 500), ("500m", 500), ("1.25", 1250), ("0.001", 1), ("10m", 10)])
  func processors(_ text: String, _ milli: Int64) throws {
    let quantity = try CPUQuantity(text)
    #expect(quantity.milli == milli)
    #expect(quantity.description == text)
  }

  @Test(arguments: [
    "", "0", "0m", "0.0", "-1", "-0.5", "+1", "+0.5", "-5m", ".5", "1.", "1.2345", "1.2m", "m", "two", "1e3", "1000000",
  ])
  func refusedProcessors(_ text: String) {
    #expect(throws: PalanaError.self) { try CPUQuantity(text) }
  }

  @Test(arguments: [("30s", 30), ("10m", 600), ("8h", 28_800), ("90d", 7_776_000), ("1h30m", 5400), ("0s", 0)])
  func spans(_ text: String, _ seconds: Int64) throws {
    #expect(try TimeSpan(text).duration == .seconds(seconds))
  }

  @Test(arguments: [
    "", "s", "10", "1h30", "-1h", "1.5h", "1w", "9999999999s", "999999999d", String(repeating: "36000d", count: 50_000),
  ])
  func refusedSpans(_ text: String) {
    #expect(throws: PalanaError.self) { try TimeSpan(text) }
  }

  @Test func plainNumbersOfYAMLAreUnderstood() throws {
    #expect(try StrictDecoder.decode(CPUQuantity.self, from: 2).milli == 2000)
    #expect(try StrictDecoder.decode(CPUQuantity.self, from: .number(#require(JSONNumber(0.5)))).milli == 500)
    #expect(try StrictDecoder.decode(ByteQuantity.self, from: 1_048_576).bytes == 1 << 20)
    #expect(throws: PalanaError.self) { try StrictDecoder.decode(CPUQuantity.self, from: [1]) }
  }
}
