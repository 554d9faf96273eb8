import Foundation
import Testing

/// The commands of the documentation do what it says: every `sh` block of a page runs, from top to bottom, on a platform of its own.
@Suite struct DocsTests {
  /// The pages with commands, as paths below `docs`.
  static let pages: [String] = {
    let docs = Checkout.root + "docs"
    let all = FileManager.default.enumerator(atPath: docs)?.compactMap { $0 as? String } ?? []
    return all.filter { $0.hasSuffix(".md") && !blocks(docs + "/" + $0).isEmpty }.sorted()
  }()

  /// Routes to language models: to one each agent has a credential of its own, of the other they share it.
  private static func routes(_ url: String) -> String {
    #"""
    llm:
      routes:
        unified: {upstream: "\#(url)", style: openai, credential: {secret: OPENAI_API_KEY}, contentLog: true}
        shared: {upstream: "\#(url)", style: openai, credential: {scope: route, secret: OPENAI}}
    """#
  }

  @Test func thePagesAreFound() { #expect(Self.pages.contains("getting-started.md") && Self.pages.contains("cli.md")) }

  @Test(arguments: pages) func everyCommandRuns(_ page: String) async throws {
    // The provider of models that the pages about them speak of; the others only name its routes.
    let models = page.hasPrefix("llm") ? try await ModelServer() : nil
    defer { models?.stop() }
    try await withPlatform(configuration: Self.routes(models?.url ?? "http://127.0.0.1:9")) { platform in
      let folder = platform.home + "/docs"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let path = Checkout.binaries + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
      for block in Self.blocks(Checkout.root + "docs/" + page) {
        let finished = try await run(
          "/bin/bash", ["-euo", "pipefail", "-c", "cd \"$0\"; " + block, folder],
          environment: [
            "PATH": path, "PALANA_HOME": platform.home, "PALANA_CONFIG": platform.home + "/config.yaml",
            "GITHUB_TOKEN": "not-a-real-token", "OPENAI_API_KEY": ModelServer.openAI,
          ])
        #expect(finished.code == 0, "\(block)\(finished.output)\(finished.error)")
        guard finished.code == 0 else { return }
      }
    }
  }

  private static func blocks(_ file: String) -> [String] {
    let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
    return text.components(separatedBy: "```sh\n").dropFirst().compactMap { $0.components(separatedBy: "```").first }
  }
}
