import FoundationEssentials
import PalanaCore

extension RegoSources {
  /// The deepest folder below a source.
  private static let deepest = 16

  /// Reads every path: a `.rego` file, a `.json` file (data of the root), a folder, or a bundle (`.tar.gz`, `.tgz`).
  ///
  /// In folders and bundles `*.rego` are policies and `data.json` is data at the place of its folder; hidden entries
  /// and links to folders are passed over. Blocks.
  /// - Throws: ``PalanaError`` with code `invalid` that names the file.
  static func load(_ paths: [String]) throws(PalanaError) -> RegoSources {
    var sources = RegoSources()
    for path in paths {
      if path.hasSuffix(".tar.gz") || path.hasSuffix(".tgz") {
        try sources.addBundle(path)
        continue
      }
      guard let type = fileType(path) else {
        throw PalanaError(
          .invalid, "\(path): there is no such policy file or folder", hint: "check opa.bundles in the configuration")
      }
      if type == .typeDirectory {
        try sources.addFolder(path, below: [], depth: 0)
      } else {
        let file = String(path.split(separator: "/").last ?? "")
        guard file.hasSuffix(".rego") || file.hasSuffix(".json") else {
          throw PalanaError(
            .invalid, "\(path): not a policy", hint: "name .rego or .json files, folders, or .tar.gz bundles")
        }
        try sources.add(name: path, folders: [], file: file, isRoot: true, bytes: Self.read(path))
      }
    }
    return sources
  }

  private mutating func addFolder(_ folder: String, below: [String], depth: Int) throws(PalanaError) {
    guard depth < Self.deepest else { throw PalanaError(.invalid, "\(folder): folders are nested too deeply") }
    let entries: [String]
    do { entries = try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
      throw PalanaError(.invalid, "\(folder): the folder cannot be read")
    }
    for entry in entries where !entry.hasPrefix(".") {
      let path = folder + (folder.hasSuffix("/") ? "" : "/") + entry
      if Self.fileType(path, followLinks: false) == .typeDirectory {
        try addFolder(path, below: below + [entry], depth: depth + 1)
      } else if Self.fileType(path) == .typeRegular {
        try add(name: path, folders: below, file: entry, bytes: Self.read(path))
      }
    }
  }

  private mutating func addBundle(_ path: String) throws(PalanaError) {
    let archive = try GzipFile.read(path, limit: Self.largestTotal)
    for entry in try TarArchive.files(archive, name: path, mostEntries: Self.mostFiles) {
      try add(
        name: path + ":" + entry.path.joined(separator: "/"), folders: Array(entry.path.dropLast()),
        file: entry.path.last ?? "", bytes: Array(entry.bytes))
    }
  }

  private static func fileType(_ path: String, followLinks: Bool = true) -> FileAttributeType? {
    let manager = FileManager.default
    guard let attributes = try? manager.attributesOfItem(atPath: path),
      let type = attributes[.type] as? FileAttributeType
    else { return nil }
    guard followLinks, type == .typeSymbolicLink else { return type }
    var isDirectory = false
    guard manager.fileExists(atPath: path, isDirectory: &isDirectory) else { return nil }
    return isDirectory ? .typeDirectory : .typeRegular
  }

  private static func read(_ path: String) throws(PalanaError) -> [UInt8] {
    do {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      // Looked at before reading, so that a mistake in the configuration does not fill the memory.
      if let size = attributes[.size] as? Int, size > largestFile {
        throw PalanaError(.invalid, "\(path): the file is larger than \(largestFile >> 20) MiB")
      }
      return Array(try Data(contentsOf: URL(filePath: path)))
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.invalid, "\(path): the file cannot be read")
    }
  }
}
