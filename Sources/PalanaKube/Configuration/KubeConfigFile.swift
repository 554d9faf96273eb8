import PalanaCore
import Yams

/// The written form of a kubeconfig (`v1`, kind `Config`). Members that do not matter here are passed over, as `kubectl` does.
struct KubeConfigFile: Decodable, Sendable {
  struct Named<Content: Decodable & Sendable>: Decodable, Sendable {
    var name: String
    var content: Content?
    private struct Key: CodingKey {
      var stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { return nil }
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      name = try container.decode(String.self, forKey: Key(stringValue: "name"))
      // `{name: …, cluster: {…}}`: the other member is the content, whatever it is called.
      let other = container.allKeys.first { ["cluster", "user", "context"].contains($0.stringValue) }
      content = try other.flatMap { try container.decodeIfPresent(Content.self, forKey: $0) }
    }
  }

  struct Cluster: Decodable, Sendable {
    var server: String?
    var authority: String?
    var authorityData: String?
    var serverName: String?
    var skipsVerification: Bool?
    var proxy: String?

    enum CodingKeys: String, CodingKey {
      case server
      case authority = "certificate-authority"
      case authorityData = "certificate-authority-data"
      case serverName = "tls-server-name"
      case skipsVerification = "insecure-skip-tls-verify"
      case proxy = "proxy-url"
    }
  }

  struct User: Decodable, Sendable {
    var certificate: String?
    var certificateData: String?
    var key: String?
    var keyData: SecretText?
    var token: SecretText?
    var tokenFile: String?
    var username: String?
    var password: SecretText?
    var exec: Exec?
    var authProvider: Provider?

    enum CodingKeys: String, CodingKey {
      case certificate = "client-certificate"
      case certificateData = "client-certificate-data"
      case key = "client-key"
      case keyData = "client-key-data"
      case token, tokenFile, username, password, exec
      case authProvider = "auth-provider"
    }
  }

  struct Provider: Decodable, Sendable { var name: String? }

  struct Exec: Decodable, Sendable {
    struct Variable: Decodable, Sendable {
      var name: String
      var value: String?
    }
    var apiVersion: String?
    var command: String
    var args: [String]?
    var env: [Variable]?
    var installHint: String?
    var provideClusterInfo: Bool?
    var interactiveMode: String?
  }

  struct Context: Decodable, Sendable {
    var cluster: String?
    var user: String?
    var namespace: String?
  }

  var clusters: [Named<Cluster>]?
  var users: [Named<User>]?
  var contexts: [Named<Context>]?
  var current: String?

  enum CodingKeys: String, CodingKey {
    case clusters, users, contexts
    case current = "current-context"
  }

  /// - Throws: ``PalanaError`` with code `invalid`; it quotes nothing of the file, which holds credentials.
  static func read(_ bytes: [UInt8], path: String) throws(PalanaError) -> KubeConfigFile {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw PalanaError(.invalid, "the kubeconfig \(path) is not UTF-8 text")
    }
    do {
      // A file without a document says nothing, which is not wrong.
      guard let root = try Yams.compose(yaml: text), Resolver.default.resolveTag(of: root) != .null else { return KubeConfigFile() }
      return try YAMLDecoder().decode(KubeConfigFile.self, from: root)
    } catch let error as DecodingError {
      throw PalanaError(.invalid, "the kubeconfig \(path) has an unexpected form\(place(of: error))")
    } catch {
      throw PalanaError(.invalid, "the kubeconfig \(path) is not YAML")
    }
  }

  private static func place(of error: DecodingError) -> String {
    let path: [any CodingKey] =
      switch error {
      case .keyNotFound(let key, let context): context.codingPath + [key]
      case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context): context.codingPath
      @unknown default: []
      }
    return path.isEmpty ? "" : " at " + path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
  }
}

/// A text that goes straight into its wrapping.
struct SecretText: Decodable, Sendable {
  var value: Redacted<String>

  init(from decoder: any Decoder) throws {
    value = Redacted(try decoder.singleValueContainer().decode(String.self))
  }
}
