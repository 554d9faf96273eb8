import Foundation

/// A file for the time of one test.
struct TemporaryFile {
  let path: String

  init(_ text: String) throws {
    path = NSTemporaryDirectory() + "palana-egress-\(UUID().uuidString).pem"
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}
