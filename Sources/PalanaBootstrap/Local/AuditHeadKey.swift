import PalanaCore
import PalanaSecrets

/// The key of the code over the note of the audit trail's head: 32 random bytes in a file of the daemon's, made at the first start.
///
/// It is needed before the secret store is up, so it cannot live there.
enum AuditHeadKey {
  static func load(_ path: String) async throws(PalanaError) -> Redacted<[UInt8]> {
    do throws(PalanaError) {
      return try await SecretFile.read(path)
    } catch {
      guard error.code == .notFound else { throw error }
      let key = Redacted(Array(RandomToken.hex(bytes: 32).utf8))
      try await SecretFile.write(key, to: path)
      return key
    }
  }
}
