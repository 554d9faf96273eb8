import NIOHTTP1
package import PalanaCore

/// A version of a secret with its values.
package struct KVSecret: Sendable {
  /// By key.
  package var values: [String: Redacted<String>]
  /// Grows with each write.
  package var version: Int
}

/// What the store knows of a secret without its values.
package struct KVMetadata: Hashable, Sendable {
  /// The newest version; zero: nothing was written yet.
  package var version: Int
  package var created: Timestamp?
  package var updated: Timestamp?
}

extension VaultClient {
  /// Reads the newest version.
  ///
  /// - Throws: ``PalanaError``: `notFound` (also for a deleted version), `denied`, `unreachable`, `failed`.
  package func read(_ path: KVPath) async throws(PalanaError) -> KVSecret {
    struct Content: Decodable, Sendable {
      struct Metadata: Decodable, Sendable { var version: Int }
      var data: [String: SecretText]?
      var metadata: Metadata
    }
    let content = try await data(Content.self, .GET, "\(KVPath.mount)/data/\(path)")
    guard let values = content.data else { throw PalanaError(.notFound, "the secret store has nothing there") }
    return KVSecret(values: values.mapValues(\.value), version: content.metadata.version)
  }

  /// Writes all keys of a secret.
  ///
  /// - Parameter cas: the version that must be the newest now; zero: there must be none.
  /// - Returns: the new version.
  /// - Throws: ``PalanaError``: `conflict` when another version is the newest, else as ``read(_:)``.
  @discardableResult
  package func write(_ path: KVPath, _ values: [String: Redacted<String>], cas: Int) async throws(PalanaError) -> Int {
    let body = try VaultJSON.encode(KVWrite(values, cas: cas))
    return try await data(KVVersion.self, .POST, "\(KVPath.mount)/data/\(path)", body: body).version
  }

  /// Replaces some keys of a secret and keeps the others, without reading them here.
  ///
  /// - Returns: the new version.
  /// - Throws: as ``write(_:_:cas:)``, and `notFound` when there is no such secret.
  @discardableResult
  package func patch(_ path: KVPath, _ values: [String: Redacted<String>], cas: Int) async throws(PalanaError) -> Int {
    let body = try VaultJSON.encode(KVWrite(values, cas: cas))
    let answer = try await call(
      .PATCH, "\(KVPath.mount)/data/\(path)", body: body, contentType: "application/merge-patch+json")
    return try VaultJSON.decode(VaultData<KVVersion>.self, from: answer.body).data.version
  }

  /// Removes a secret with all its versions. It is fine when there is none.
  package func delete(_ path: KVPath) async throws(PalanaError) {
    do { try await call(.DELETE, "\(KVPath.mount)/metadata/\(path)") } catch {
      guard error.code == .notFound else { throw error }
    }
  }

  /// The names directly below a folder; those of folders end in `/`. Empty when there is nothing.
  package func list(_ folder: KVPath) async throws(PalanaError) -> [String] {
    struct Content: Decodable, Sendable { var keys: [String] }
    do {
      return try await data(Content.self, .RAW(value: "LIST"), "\(KVPath.mount)/metadata/\(folder)").keys
    } catch {
      guard error.code == .notFound else { throw error }
      return []
    }
  }

  /// What is known of a secret without its values.
  ///
  /// - Throws: as ``read(_:)``.
  package func metadata(_ path: KVPath) async throws(PalanaError) -> KVMetadata {
    struct Content: Decodable, Sendable {
      var version: Int
      var created: String?
      var updated: String?

      enum CodingKeys: String, CodingKey {
        case version = "current_version"
        case created = "created_time"
        case updated = "updated_time"
      }
    }
    let content = try await data(Content.self, .GET, "\(KVPath.mount)/metadata/\(path)")
    return KVMetadata(
      version: content.version, created: content.created.flatMap(Timestamp.init(parsing:)),
      updated: content.updated.flatMap(Timestamp.init(parsing:)))
  }
}

private struct KVWrite: Encodable {
  struct Options: Encodable { var cas: Int }
  var options: Options
  var data: [String: SecretText]

  init(_ values: [String: Redacted<String>], cas: Int) {
    options = Options(cas: cas)
    data = values.mapValues(SecretText.init)
  }
}

private struct KVVersion: Decodable, Sendable { var version: Int }
