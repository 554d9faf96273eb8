import FoundationEssentials
import PalanaCore
import PalanaPlan

/// Reads an OCI image layout with one image, as skopeo leaves it.
enum ImageLayout {
  private struct Descriptor: Decodable {
    var digest: String
  }
  private struct Index: Decodable {
    var manifests: [Descriptor]
  }
  private struct Manifest: Decodable {
    var config: Descriptor
  }
  private struct Configuration: Decodable {
    struct Inner: Decodable {
      enum CodingKeys: String, CodingKey {
        case user = "User"
        case env = "Env"
        case entrypoint = "Entrypoint"
        case command = "Cmd"
        case workingDirectory = "WorkingDir"
      }
      var user: String?
      var env: [String]?
      var entrypoint: [String]?
      var command: [String]?
      var workingDirectory: String?
    }
    var config: Inner?
  }

  /// The digest (64 hexadecimal digits of SHA-256) of the image's manifest, and how it wants to be run. Blocking.
  static func read(_ folder: String) throws(PalanaError) -> (digest: String, configuration: ImageConfiguration) {
    let index: Index = try decode("\(folder)/index.json")
    guard let digest = index.manifests.first?.digest else { throw PalanaError(.invalid, "the image layout is empty") }
    let manifest: Manifest = try decode(blob(digest, in: folder))
    let written: Configuration = try decode(blob(manifest.config.digest, in: folder))
    return (
      try hex(digest),
      ImageConfiguration(
        entrypoint: written.config?.entrypoint ?? [], command: written.config?.command ?? [],
        env: written.config?.env ?? [],
        workingDirectory: written.config?.workingDirectory ?? "", user: written.config?.user ?? "")
    )
  }

  private static func decode<Value: Decodable>(_ path: String) throws(PalanaError) -> Value {
    guard let bytes = Files.read(path), bytes.count <= 4 << 20 else {
      throw PalanaError(.invalid, "the image lacks \(path.split(separator: "/").last ?? "a part")")
    }
    do { return try JSONDecoder().decode(Value.self, from: Data(bytes)) } catch {
      throw PalanaError(.invalid, "the image's description cannot be read: \(error)")
    }
  }

  private static func blob(_ digest: String, in folder: String) throws(PalanaError) -> String {
    "\(folder)/blobs/sha256/\(try hex(digest))"
  }

  /// Checked, because it becomes a path: only hexadecimal digits.
  private static func hex(_ digest: String) throws(PalanaError) -> String {
    let digits = digest.dropFirst("sha256:".count)
    guard digest.hasPrefix("sha256:"), digits.utf8.count == 64,
      digits.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
    else { throw PalanaError(.invalid, "‘\(digest.prefix(80))’ is not a SHA-256 digest") }
    return String(digits)
  }
}
