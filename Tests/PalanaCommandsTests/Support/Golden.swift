import Foundation
import Testing

/// Compares with a file beside the tests. `PALANA_RECORD_GOLDEN=1` writes it, and fails so that nobody forgets to read the diff.
enum Golden {
  static func check(_ text: String, _ name: String, _ location: SourceLocation = #_sourceLocation) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
      path: "Golden")
    let file = folder.appending(path: name)
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try text.write(to: file, atomically: true, encoding: .utf8)
      Issue.record("recorded \(name)", sourceLocation: location)
      return
    }
    let expected = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    #expect(text == expected, "differs from Golden/\(name)", sourceLocation: location)
  }
}
