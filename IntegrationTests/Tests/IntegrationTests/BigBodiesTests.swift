import Foundation
import Testing

/// More bytes than the gateway may hold pass through it.
@Suite struct BigBodiesTests {
  private static let size = 256 << 20

  @Test func bigBodiesPassInBoundedMemory() async throws {
    try await withPlatform { platform in
      try await platform.start("hauler", reaching: ["allowed.test"])
      let url = platform.https("allowed.test")
      let daemon = try platform.daemon()
      let before = try peakMemory(daemon)
      let down = try await platform.pcli("exec", "hauler", "--", "sh", "-c", "curl -sS '\(url)/bytes/\(Self.size)' | wc -c")
      #expect(down.output == "\(Self.size)\n")
      let up = try await platform.pcli(
        "exec", "hauler", "--", "sh", "-c", "head -c \(Self.size) /dev/zero | curl -sS --http1.1 -T - '\(url)/upload'")
      #expect(try up.json()["bytes"].number == Double(Self.size))
      #expect(try peakMemory(daemon) - before < Self.size / 4)
    }
  }

  /// The most memory that a process ever had, in bytes (proc(5), `VmHWM`).
  private func peakMemory(_ process: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return 1024 * (try #require(line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first))
  }
}
