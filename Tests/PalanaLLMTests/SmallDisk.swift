import Foundation
import Testing

/// A file system of 64 KiB, which is soon full. To mount one takes root.
enum SmallDisk {
  static let canBeMounted = run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])

  /// Mounts one at a folder, which is made, while `body` runs.
  static func run(at folder: String, _ body: () async throws -> Void) async throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try #require(run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]))
    defer { _ = run(["umount", "-l", folder]) }
    try await body()
  }

  private static func run(_ arguments: [String]) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
