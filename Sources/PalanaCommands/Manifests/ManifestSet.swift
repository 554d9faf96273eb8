import PalanaAPI
import PalanaCore
import PalanaManifests

/// The manifests of one `apply`, read and checked as a whole before anything is sent.
struct ManifestSet: Sendable {
  /// One manifest that is sound as far as this side can tell.
  struct Item: Sendable {
    let document: ManifestDocument
    let kind: KindName
    let name: String
    /// What is sent: without the fields that the server writes.
    let value: JSONValue
  }

  /// In the order in which they are applied: what others refer to comes first.
  let items: [Item]

  /// Longest file in bytes.
  private static let limit = 16 << 20

  /// - Parameter documents: of any number of files.
  /// - Throws: ``PalanaError`` with code `invalid` that names file, document, line and field.
  init(_ documents: [ManifestDocument]) throws {
    var items: [Item] = []
    for document in documents.flatMap(\.unfolded) {
      do { items.append(try Self.item(document)) } catch let error as PalanaError { throw document.located(error) }
    }
    guard !items.isEmpty else { throw PalanaError(.invalid, "there is no manifest in what was given") }
    let order = Dictionary(uniqueKeysWithValues: AnyResource.kinds.enumerated().map { ($1, $0) })
    self.items = items.enumerated()
      .sorted { (order[$0.element.kind.rawValue] ?? 0, $0.offset) < (order[$1.element.kind.rawValue] ?? 0, $1.offset) }
      .map(\.element)
  }

  /// Reads `-`, a file, or every `.yaml`, `.yml` and `.json` file of a folder.
  static func read(_ path: String, _ io: CommandIO) async throws -> ManifestSet {
    var documents: [ManifestDocument] = []
    if path == "-" {
      documents = try ManifestDocument.parse(try await io.input.all(limit: limit), file: "standard input")
    } else if LocalFile.kind(path) == .directory {
      let names = try LocalFile.names(in: path).filter { name in
        !name.hasPrefix(".") && [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
      }
      for name in names {
        let file = path + "/" + name
        documents += try ManifestDocument.parse(try LocalFile.read(file, limit: limit), file: file)
      }
    } else {
      documents = try ManifestDocument.parse(try LocalFile.read(path, limit: limit), file: path)
    }
    return try ManifestSet(documents)
  }

  private static func item(_ document: ManifestDocument) throws -> Item {
    let value = stripped(document.value)
    let resource = try ManifestDecoder.decode(value)
    if let error = PalanaError(resource.validate()) { throw error }
    guard let kind = KindName(rawValue: resource.kind) else {
      throw PalanaError(.invalid, "kind: ‘\(resource.kind)’ cannot be applied")
    }
    return Item(document: document, kind: kind, name: resource.metadata.name.text, value: value)
  }

  /// Without what the server writes: what `get -o yaml` printed can be given back after anything has happened meanwhile.
  static func stripped(_ value: JSONValue) -> JSONValue {
    guard case .object(var object) = value else { return value }
    object["status"] = nil
    if case .object(var metadata)? = object["metadata"] {
      for name in ["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"] {
        metadata[name] = nil
      }
      object["metadata"] = .object(metadata)
    }
    return .object(object)
  }
}
