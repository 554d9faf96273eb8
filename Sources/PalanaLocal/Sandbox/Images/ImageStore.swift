import FoundationEssentials
package import PalanaCore
package import PalanaPlan

/// Images, unpacked once for each digest and shared read-only by all sandboxes that use it.
///
/// On the disk the files keep the owners that the image gives them; each sandbox sees them through a mount that maps
/// the ids.
package actor ImageStore {
  /// An image that is ready to run.
  package struct Unpacked: Codable, Hashable, Sendable {
    /// SHA-256 of the manifest, hexadecimal.
    package var digest: String
    package var rootfs: String
    package var configuration: ImageConfiguration
  }

  private struct Remembered: Codable {
    var reference: String
    var stamp: String
    var digest: String
  }

  private let folder: String
  private var waiting: [String: [CheckedContinuation<Result<Unpacked, PalanaError>, Never>]] = [:]

  init(folder: String) { self.folder = folder }

  /// The unpacked image; fetched and unpacked if it is not there, once however many ask at the same time.
  /// - Parameters:
  ///   - refresh: ask a registry again even if the reference was fetched before.
  ///   - progress: one sentence for each long step.
  /// - Throws: `invalid`, `notFound`, `unreachable` or `failed`, with what to do.
  package func ensure(
    _ reference: String, refresh: Bool = false, progress: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws(PalanaError) -> Unpacked {
    let source = try ImageSource(reference)
    if !refresh, let known = await known(source) { return known }
    // After the suspension: somebody may have begun meanwhile.
    if waiting[reference] != nil {
      progress("waiting for the image \(reference)")
      return try await withCheckedContinuation { waiting[reference, default: []].append($0) }.get()
    }
    waiting[reference] = []
    let result: Result<Unpacked, PalanaError>
    do throws(PalanaError) {
      result = .success(try await fetch(source, progress))
    } catch {
      result = .failure(error)
    }
    for waiter in waiting.removeValue(forKey: reference) ?? [] { waiter.resume(returning: result) }
    return try result.get()
  }

  private func known(_ source: ImageSource) async -> Unpacked? {
    let folder = folder
    return try? await SystemCall.blocking { () throws(PalanaError) -> Unpacked? in
      guard let stamp = source.stamp, let bytes = Files.read("\(folder)/references/\(source.key).json"),
        let remembered = try? JSONDecoder().decode(Remembered.self, from: Data(bytes)), remembered.stamp == stamp
      else { return nil }
      return Self.load(folder, remembered.digest)
    }
  }

  private static func load(_ folder: String, _ digest: String) -> Unpacked? {
    guard let bytes = Files.read("\(folder)/\(digest)/image.json"),
      let configuration = try? JSONDecoder().decode(ImageConfiguration.self, from: Data(bytes))
    else { return nil }
    return Unpacked(digest: digest, rootfs: "\(folder)/\(digest)/rootfs", configuration: configuration)
  }

  private func fetch(
    _ source: ImageSource, _ progress: @Sendable (String) -> Void
  ) async throws(PalanaError) -> Unpacked {
    let skopeo = try Program.find("skopeo", package: "skopeo")
    let umoci = try Program.find("umoci", package: "umoci")
    let stamp = source.stamp
    guard let stamp else { throw source.error("no such file") }
    let draft = "\(folder)/draft-\(RandomToken.hex(bytes: 6))"
    do throws(PalanaError) {
      try await SystemCall.blocking { () throws(PalanaError) in
        try Files.makeFolder(draft + "/tmp")
        try Files.makeFolder(draft + "/bundle")
      }
      progress("fetching the image \(source.reference)")
      // No signature policy file is asked for; which images are trusted is decided by who may write the reference.
      let copied = try await Program.run(
        skopeo,
        ["--insecure-policy", "--tmpdir", draft + "/tmp", "copy", "-q", source.skopeo, "oci:\(draft)/layout:image"])
      guard copied.succeeded else { throw source.error(copied.error) }
      let (digest, configuration) = try await SystemCall.blocking { () throws(PalanaError) in
        try ImageLayout.read(draft + "/layout")
      }
      if Self.load(folder, digest) == nil {
        progress("unpacking the image \(source.reference)")
        let unpacked = try await Program.run(
          umoci, ["raw", "unpack", "--image", "\(draft)/layout:image", draft + "/bundle/rootfs"])
        guard unpacked.succeeded else { throw source.error(unpacked.error) }
      }
      let folder = folder
      let result = try await SystemCall.blocking { () throws(PalanaError) -> Unpacked in
        try Self.install(draft, as: digest, configuration, in: folder)
        let remembered = Remembered(reference: source.reference, stamp: stamp, digest: digest)
        try Files.makeFolder(folder + "/references")
        try Files.write(Self.json(remembered), to: "\(folder)/references/\(source.key).json")
        try Files.remove(draft)
        guard let result = Self.load(folder, digest) else { throw PalanaError(.failed, "the image is gone again") }
        return result
      }
      return result
    } catch {
      try? await SystemCall.blocking { () throws(PalanaError) in try Files.remove(draft) }
      throw error
    }
  }

  private static func install(
    _ draft: String, as digest: String, _ configuration: ImageConfiguration, in folder: String
  ) throws(PalanaError) {
    guard load(folder, digest) == nil else { return }
    let target = "\(folder)/\(digest)"
    try Files.remove(target)
    // The description comes last into the draft, and the draft into place as a whole: what has a description is
    // complete.
    try Files.write(json(configuration), to: "\(draft)/bundle/image.json")
    try Files.move(draft + "/bundle", to: target)
  }

  private static func json(_ value: some Encodable) throws(PalanaError) -> [UInt8] {
    do { return Array(try JSONEncoder().encode(value)) } catch { throw PalanaError(.failed, "\(error)") }
  }

  /// Removes what no reference in `keeping` and no digest in `inUse` needs, and drafts that a crash left.
  /// - Returns: the digests that were removed.
  @discardableResult
  func prune(keeping references: Set<String>, inUse: Set<String>) async throws(PalanaError) -> [String] {
    let folder = folder
    guard waiting.isEmpty else { throw PalanaError(.conflict, "an image is being fetched", hint: "try again later") }
    return try await SystemCall.blocking { () throws(PalanaError) -> [String] in
      var kept = inUse
      for name in Files.names(in: folder + "/references") {
        let path = "\(folder)/references/\(name)"
        guard let bytes = Files.read(path), let known = try? JSONDecoder().decode(Remembered.self, from: Data(bytes)),
          references.contains(known.reference)
        else {
          try Files.remove(path)
          continue
        }
        kept.insert(known.digest)
      }
      let removed = Files.names(in: folder).filter { $0 != "references" && !kept.contains($0) }
      for name in removed { try Files.remove("\(folder)/\(name)") }
      return removed.filter { !$0.hasPrefix("draft-") }
    }
  }
}
