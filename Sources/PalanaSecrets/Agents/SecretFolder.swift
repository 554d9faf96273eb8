import NIOPosix
package import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A folder in memory with the secrets that an agent reads itself, `NAME` for one with a single key, else `NAME/KEY` for each.
///
/// A secret changes at once as a whole, also one of several keys: who reads sees the old values or the new, and never some of each. Files
/// are for their owner alone, who may not write them either (0400).
package actor SecretFolder {
  /// One secret.
  private enum Content: Sendable {
    case file(Redacted<[UInt8]>)
    case folder([String: Redacted<[UInt8]>])

    func isSame(as other: Content) -> Bool {
      switch (self, other) {
      case (.file(let mine), .file(let others)): ConstantTime.equal(mine.reveal(), others.reveal())
      case (.folder(let mine), .folder(let others)):
        mine.count == others.count
          && mine.allSatisfy { key, value in others[key].map { ConstantTime.equal(value.reveal(), $0.reveal()) } ?? false }
      default: false
      }
    }
  }

  private let path: String
  /// What stands there by our own hand.
  private var written: [String: Content] = [:]

  /// - Parameter path: a folder that is there, in a file system in memory that nobody else writes.
  package init(path: String) { self.path = path }

  /// Makes the folder hold exactly these.
  ///
  /// - Parameter secrets: names with their values by key.
  /// - Returns: whether anything changed.
  /// - Throws: ``PalanaError``: `invalid` for a name or key that would lead out of the folder, `failed`.
  @discardableResult
  package func set(_ secrets: [String: [String: Redacted<String>]]) async throws(PalanaError) -> Bool {
    var wanted: [String: Content] = [:]
    for (name, values) in secrets where !values.isEmpty {
      try SecretNames.check(secret: name)
      var files: [String: Redacted<[UInt8]>] = [:]
      for (key, value) in values {
        try SecretNames.check(key: key, isFile: true)
        files[key] = value.map { Array($0.utf8) }
      }
      if files.count == 1, let only = files.values.first { wanted[name] = .file(only) } else { wanted[name] = .folder(files) }
    }
    let (path, changed) = (path, wanted.filter { name, content in written[name].map { !content.isSame(as: $0) } ?? true })
    let kept = wanted
    let removed: Int
    do {
      removed = try await NIOThreadPool.singleton.runIfActive {
        for (name, content) in changed { try Self.put(content, name, in: path) }
        return try Self.clear(path, keeping: kept)
      }
    } catch {
      // What stands there is not known any more.
      written = [:]
      throw error as? PalanaError ?? PalanaError(.failed, "the file operation was given up")
    }
    written = wanted
    return !changed.isEmpty || removed > 0
  }

  // MARK: Files

  private static func put(_ content: Content, _ name: String, in folder: String) throws(PalanaError) {
    let (target, fresh) = ("\(folder)/\(name)", "\(folder)/.new-\(name)")
    try remove(fresh)
    switch content {
    case .file(let bytes): try write(bytes, to: fresh)
    case .folder(let files):
      // As the kubelet does it: the name is a link, which changes at one moment.
      let values = ".\(name).\(RandomToken.hex(bytes: 4))"
      guard unsafe mkdir("\(folder)/\(values)", 0o700) == 0 else { throw failure("made", target) }
      for (key, bytes) in files { try write(bytes, to: "\(folder)/\(values)/\(key)") }
      guard unsafe symlink(values, fresh) == 0 else { throw failure("made", fresh) }
    }
    guard unsafe rename(fresh, target) == 0 else { throw failure("written", target) }
  }

  private static func write(_ content: Redacted<[UInt8]>, to path: String) throws(PalanaError) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o400)
    guard descriptor >= 0 else { throw failure("made", path) }
    defer { close(descriptor) }
    var rest = content.reveal()[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 || errno == EINTR else { throw failure("written", path) }
      rest = rest.dropFirst(max(count, 0))
    }
  }

  /// Removes what is not to be there, also what an earlier process left.
  private static func clear(_ folder: String, keeping wanted: [String: Content]) throws(PalanaError) -> Int {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: folder) } catch { throw failure("read", folder) }
    let links = Set(wanted.keys.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") })
    var removed = 0
    for name in names where wanted[name] == nil && !links.contains(name) {
      try remove("\(folder)/\(name)")
      if !name.hasPrefix(".") { removed += 1 }
    }
    return removed
  }

  /// Removes a file, or a folder with the files in it; nothing is no error.
  private static func remove(_ path: String) throws(PalanaError) {
    if unsafe unlink(path) == 0 || errno == ENOENT { return }
    for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] { _ = unsafe unlink("\(path)/\(name)") }
    guard unsafe rmdir(path) == 0 || errno == ENOENT else { throw failure("removed", path) }
  }

  private static func failure(_ what: String, _ path: String) -> PalanaError {
    let number = errno
    let words = unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    return PalanaError(.failed, "\(path) could not be \(what): \(words)")
  }
}
