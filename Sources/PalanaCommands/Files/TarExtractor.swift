import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Writes the members of an untrusted tar stream below one folder.
///
/// Folders, files and copies of earlier files are made; links that stay inside are made last, when nothing can be written through them any
/// more. Links that leave, devices and queues are left out and counted. Not safe from several threads; it blocks.
final class TarExtractor {
  private let folder: SafeFolder
  /// Name below the folder of what the archive holds.
  private let name: String
  private var parser = TarParser()
  private var archiveRoot: [String]?
  private var file: Int32 = -1
  private var links: [(place: [String], target: String)] = []
  private var linkBytes = 0

  /// What was left out, for a remark; the first 20.
  private(set) var skipped: [String] = []
  /// How many were left out.
  private(set) var skippedCount = 0
  /// How many files were written.
  private(set) var fileCount = 0

  /// - Parameters:
  ///   - parent: an existing folder.
  ///   - name: what the archive's one root becomes in it.
  init(into parent: String, as name: String) throws {
    folder = try SafeFolder(parent)
    self.name = name
  }

  deinit { closeFile() }

  /// Adds bytes of the stream.
  /// - Throws: ``PalanaError``; what was written so far stays.
  func push(_ bytes: [UInt8]) throws {
    for event in try parser.push(bytes) {
      switch event {
      case .entry(let entry):
        closeFile()
        try begin(entry)
      case .data(let bytes):
        guard file >= 0 else { continue }
        try DescriptorWriter.writeAll(bytes, to: file)
      }
    }
  }

  /// Ends the stream and makes the links.
  /// - Throws: ``PalanaError``, also when the stream was cut short or held nothing.
  func finish() throws {
    closeFile()
    try parser.finish()
    guard archiveRoot != nil else { throw PalanaError(.failed, "the agent sent an empty archive") }
    for link in links { try folder.makeLink(link.place, to: link.target) }
  }

  private func begin(_ entry: TarEntry) throws {
    let place = try place(of: entry.path)
    switch entry.kind {
    case .directory: try folder.makeDirectory(place, mode: entry.mode)
    case .file:
      file = try folder.makeFile(place, mode: entry.mode)
      fileCount += 1
    case .hardLink(let target): try copy(try self.place(of: target), to: place, mode: entry.mode)
    case .symbolicLink(let target):
      // `place` counts from below the parent folder, so the archive's own root is the limit.
      guard TarPath.staysInside(linkAt: Array(place.dropFirst()), target: target), !place.dropFirst().isEmpty else {
        return skip(entry.path, "a link that leaves the folder")
      }
      linkBytes += target.utf8.count + entry.path.utf8.count
      guard linkBytes < 32 << 20 else { throw PalanaError(.failed, "the archive has too many links") }
      links.append((place, target))
    case .other: skip(entry.path, "neither a file nor a folder")
    }
  }

  /// Where a member goes: the archive's one root becomes `name`.
  private func place(of path: String) throws -> [String] {
    let parts = try TarPath.components(path)
    let root = archiveRoot ?? Array(parts.prefix(1))
    archiveRoot = root
    if root.isEmpty { return [name] + parts }
    guard parts.first == root.first else {
      throw PalanaError(
        .denied, "the archive is refused: ‘\(path.prefix(120))’ is not below ‘\(root.first ?? "")’",
        hint: "the agent sent more than was asked for")
    }
    return [name] + parts.dropFirst()
  }

  private func copy(_ source: [String], to place: [String], mode: UInt32) throws {
    let from = try folder.openFile(source)
    defer { close(from) }
    let target = try folder.makeFile(place, mode: mode)
    defer { close(target) }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while let count = try LocalFile.read(from, into: &buffer, folder.path) {
      try DescriptorWriter.writeAll(Array(buffer[..<count]), to: target)
    }
    fileCount += 1
  }

  private func skip(_ path: String, _ why: String) {
    skippedCount += 1
    if skipped.count < 20 { skipped.append("\(path.prefix(200)): \(why)") }
  }

  private func closeFile() {
    if file >= 0 { close(file) }
    file = -1
  }
}
