import PalanaCore
import PalanaManifests

/// The configuration file of a role in a cluster: one document whose every key is known.
enum RoleFile {
  /// - Throws: ``PalanaError`` with code `invalid` that names file, line and key.
  static func read<Value: Decodable>(_ type: Value.Type, _ path: String) throws(PalanaError) -> Value {
    let documents = try ManifestDocument.parse(Array(try TextFile.read(path).utf8), file: path)
    guard let document = documents.first, documents.count == 1 else {
      throw PalanaError(.invalid, "\(path): the configuration is one document")
    }
    do throws(PalanaError) {
      return try StrictDecoder.decode(type, from: document.value)
    } catch {
      throw document.located(error)
    }
  }
}
