import NIOCore
import NIOFoundationCompat
import PalanaCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A text that comes from JSON straight into its wrapping, so that no printable value ever holds it.
struct SecretText: Codable, Sendable {
  var value: Redacted<String>

  init(_ value: Redacted<String>) { self.value = value }

  init(from decoder: any Decoder) throws {
    value = Redacted(try decoder.singleValueContainer().decode(String.self))
  }

  /// Only for what is sent to the store: the one place where a value leaves its wrapping here.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value.reveal())
  }
}

/// Reading and writing of what travels between the client and the store. Errors are constants: what a decoder says may quote a value.
enum VaultJSON {
  /// - Throws: ``PalanaError`` with code `failed`.
  static func decode<Value: Decodable>(_ type: Value.Type, from body: Redacted<ByteBuffer>) throws(PalanaError) -> Value {
    do {
      return try JSONDecoder().decode(type, from: Data(buffer: body.reveal()))
    } catch {
      throw PalanaError(.failed, "the secret store sent an answer of an unexpected form")
    }
  }

  /// - Throws: ``PalanaError`` with code `failed`.
  static func encode(_ value: some Encodable) throws(PalanaError) -> Redacted<ByteBuffer> {
    do {
      return Redacted(ByteBuffer(bytes: try JSONEncoder().encode(value)))
    } catch {
      throw PalanaError(.failed, "a request to the secret store could not be written")
    }
  }
}

/// `{"data": …}`, the wrapping of most answers.
struct VaultData<Content: Decodable & Sendable>: Decodable, Sendable {
  var data: Content
}

/// `{"auth": …}`, the answer to logins and renewals.
struct VaultAuth: Decodable, Sendable {
  struct Auth: Decodable, Sendable {
    var token: SecretText
    var duration: Int64
    var isRenewable: Bool

    enum CodingKeys: String, CodingKey {
      case token = "client_token"
      case duration = "lease_duration"
      case isRenewable = "renewable"
    }
  }
  var auth: Auth

  var lease: VaultLease {
    VaultLease(
      token: auth.token.value, duration: .seconds(max(auth.duration, 0)), isRenewable: auth.isRenewable)
  }
}
