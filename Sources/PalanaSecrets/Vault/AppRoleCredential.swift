package import PalanaCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What an AppRole logs in with.
package struct AppRoleCredential: Sendable {
  package var roleID: Redacted<String>
  package var secretID: Redacted<String>

  package init(roleID: Redacted<String>, secretID: Redacted<String>) {
    self.roleID = roleID
    self.secretID = secretID
  }

  /// Reads the content of a credential file.
  ///
  /// - Throws: ``PalanaError`` with code `failed`.
  package init(_ file: Redacted<[UInt8]>) throws(PalanaError) {
    do { self = try JSONDecoder().decode(AppRoleCredential.self, from: Data(file.reveal())) } catch {
      throw PalanaError(.failed, "a credential file of the secret store is damaged")
    }
  }

  /// The content of a credential file.
  ///
  /// - Throws: ``PalanaError`` with code `failed`.
  package func fileContent() throws(PalanaError) -> Redacted<[UInt8]> {
    do { return Redacted(Array(try JSONEncoder().encode(self))) } catch {
      throw PalanaError(.failed, "a credential file of the secret store could not be written")
    }
  }
}

// Its only encoded forms are the request to log in and its own file.
extension AppRoleCredential: Codable {
  private enum CodingKeys: String, CodingKey {
    case roleID = "role_id"
    case secretID = "secret_id"
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    roleID = try container.decode(SecretText.self, forKey: .roleID).value
    secretID = try container.decode(SecretText.self, forKey: .secretID).value
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(SecretText(roleID), forKey: .roleID)
    try container.encode(SecretText(secretID), forKey: .secretID)
  }
}
