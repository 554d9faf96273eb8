import Foundation
import Testing

/// The commands of the documentation do what it says.
@Suite struct DocsTests {
  @Test func gettingStartedRunsFromTopToBottom() async throws {
    let text = try String(contentsOfFile: Checkout.root + "docs/getting-started.md", encoding: .utf8)
    let blocks = text.components(separatedBy: "```sh\n").dropFirst().compactMap { $0.components(separatedBy: "```").first }
    try #require(blocks.count > 3)
    try await withPlatform { platform in
      let path = Checkout.binaries + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
      for block in blocks {
        let finished = try await run(
          "/bin/bash", ["-euo", "pipefail", "-c", block], environment: ["PATH": path, "PALANA_HOME": platform.home])
        #expect(finished.code == 0, "\(block)\(finished.output)\(finished.error)")
      }
    }
  }
}
