import PalanaCore

/// One policy module as text.
struct RegoFile: Hashable, Sendable {
  /// Unique among all loaded files; it stands in error messages.
  let name: String
  let text: String
}

/// One JSON document for the data tree.
struct DataFile: Hashable, Sendable {
  let name: String
  /// Where in the tree it belongs; empty: the root.
  let path: [String]
  let text: String
}

/// Everything that guardrails are made of, read and bounded but not yet understood.
struct RegoSources: Hashable, Sendable {
  var policies: [RegoFile] = []
  var data: [DataFile] = []

  /// The most files in all sources together.
  static let mostFiles = 4096
  /// The most bytes of one file.
  static let largestFile = 16 << 20
  /// The most bytes of all files together.
  static let largestTotal = 64 << 20

  private var total = 0

  init() {}

  /// Adds one file by what its name says; other names are passed over, as OPA does with bundles.
  ///
  /// - Parameters:
  ///   - name: for messages; unique.
  ///   - folders: the folders it stands in, below the root of its source.
  ///   - isRoot: the file was named itself, so any `.json` is data of the root.
  mutating func add(
    name: String, folders: [String], file: String, isRoot: Bool = false,
    bytes: @autoclosure () throws(PalanaError) -> [UInt8]
  ) throws(PalanaError) {
    let isPolicy = file.hasSuffix(".rego")
    let isData = file == "data.json" || isRoot && file.hasSuffix(".json")
    guard file != "data.yaml", file != "data.yml" else {
      throw PalanaError(.invalid, "\(name): data in YAML is not read", hint: "write it as data.json")
    }
    guard isPolicy || isData else { return }
    guard policies.count + data.count < Self.mostFiles else {
      throw PalanaError(.invalid, "\(name): more than \(Self.mostFiles) policy files")
    }
    let bytes = try bytes()
    total += bytes.count
    guard bytes.count <= Self.largestFile, total <= Self.largestTotal else {
      throw PalanaError(
        .invalid, "\(name): the policies are larger than the limits (\(Self.largestFile >> 20) MiB each)")
    }
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw PalanaError(.invalid, "\(name): the file is not UTF-8 text")
    }
    guard !policies.contains(where: { $0.name == name }) else {
      throw PalanaError(.invalid, "\(name): the file is loaded twice", hint: "name each policy once in opa.bundles")
    }
    if isPolicy {
      policies.append(RegoFile(name: name, text: text))
    } else {
      data.append(DataFile(name: name, path: folders, text: text))
    }
  }
}
