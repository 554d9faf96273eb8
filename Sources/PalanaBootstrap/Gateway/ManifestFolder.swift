import Foundation
import PalanaCore
import PalanaManifests

/// The folder of manifests that a gateway of its own runs from. It is only read.
struct ManifestFolder: Sendable {
  let path: String

  /// More than that is a mistake: nobody has written it by hand, and it is read every second.
  private static let longest = 64 << 20

  init(path: String) { self.path = path }

  /// - Throws: ``PalanaError`` with code `invalid` when the configuration names none.
  init(_ configuration: LocalConfiguration) throws(PalanaError) {
    guard !configuration.gateway.agents.isEmpty else {
      throw PalanaError(
        .invalid, "gateway.agents: a gateway of its own needs a folder with manifests", hint: "--agents FOLDER, or --cluster")
    }
    path = configuration.gateway.agents
  }

  /// Every `.yaml`, `.yml` and `.json` file, by name. What begins with a dot is passed over, so that a mounted volume of Kubernetes
  /// (`..data`) is read once. Blocks.
  ///
  /// - Throws: ``PalanaError``: `notFound`, `failed`, `invalid` when there is too much of it.
  func read() throws(PalanaError) -> [ManifestFile] {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      guard FileManager.default.fileExists(atPath: path) else {
        throw PalanaError(.notFound, "there is no folder \(path)", hint: "--agents names the folder with the manifests of the agents")
      }
      throw PalanaError(.failed, "the folder \(path) cannot be read")
    }
    var files: [ManifestFile] = []
    var left = Self.longest
    for name in names.sorted() where !name.hasPrefix(".") && [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) {
      let file = path + "/" + name
      guard let handle = FileHandle(forReadingAtPath: file) else { throw PalanaError(.failed, "\(file) cannot be read") }
      defer { try? handle.close() }
      let data: Data
      do { data = try handle.read(upToCount: left + 1) ?? Data() } catch { throw PalanaError(.failed, "\(file) cannot be read") }
      guard data.count <= left else { throw PalanaError(.invalid, "the manifests in \(path) are larger than 64 MiB") }
      left -= data.count
      files.append(ManifestFile(path: file, bytes: Array(data)))
    }
    return files
  }
}

/// One file as it was read.
struct ManifestFile: Hashable, Sendable {
  var path: String
  var bytes: [UInt8]
}
