import Foundation
import PalanaCore

/// Reads small text files.
enum TextFile {
  /// - Throws: ``PalanaError``: `notFound`, `invalid` when it is not UTF-8 or larger than 1 MiB, `failed`.
  static func read(_ path: String) throws(PalanaError) -> String {
    guard FileManager.default.fileExists(atPath: path) else {
      throw PalanaError(.notFound, "there is no file \(path)")
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw PalanaError(.failed, "\(path) cannot be read")
    }
    guard data.count <= 1 << 20, let text = String(bytes: data, encoding: .utf8) else {
      throw PalanaError(.invalid, "\(path) is not a text of at most 1 MiB")
    }
    return text
  }
}

/// The variables of this process.
enum EnvironmentVariables {
  static func all() -> [String: String] { ProcessInfo.processInfo.environment }
}
