import NIOPosix
import PalanaCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Small files that may hold credentials.
enum CredentialFile {
  private static let limit = 1 << 20

  /// - Parameter orNil: a file that does not exist is none.
  /// - Throws: ``PalanaError``: `notFound`, or `failed` when it cannot be read or is too large.
  static func read(_ path: String, orNil: Bool = false) async throws(PalanaError) -> Redacted<[UInt8]>? {
    do {
      return try await NIOThreadPool.singleton.runIfActive { () throws -> Redacted<[UInt8]>? in
        guard FileManager.default.fileExists(atPath: path) else {
          if orNil { return nil }
          throw PalanaError(.notFound, "the file \(path) does not exist")
        }
        guard let handle = FileManager.default.contents(atPath: path) else {
          throw PalanaError(.failed, "the file \(path) cannot be read")
        }
        guard handle.count <= limit else { throw PalanaError(.failed, "the file \(path) is larger than a mebibyte") }
        return Redacted(Array(handle))
      }
    } catch {
      throw error as? PalanaError ?? PalanaError(.failed, "reading \(path) was given up")
    }
  }

  static func read(_ path: String) async throws(PalanaError) -> Redacted<[UInt8]> {
    guard let content = try await read(path, orNil: false) else { throw PalanaError(.notFound, "the file \(path) does not exist") }
    return content
  }
}
