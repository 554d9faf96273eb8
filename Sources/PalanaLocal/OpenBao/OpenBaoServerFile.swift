import PalanaCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The configuration of the server, as JSON: no path can end a string there.
enum OpenBaoServerFile {
  /// How the server is separated from the machine's network.
  enum Network {
    /// It has a network namespace of its own without any interface: nobody can reach its TCP ports, and it can reach nobody.
    case own
    /// It shares the machine's, where that is not permitted: its ports are on loopback, chosen by the system.
    case shared
  }

  /// The file's content. Clients use the Unix socket only.
  ///
  /// Raft storage insists on a listener for other members, and this server makes that only beside a TCP listener. Both get
  /// loopback addresses, which in a namespace of its own lead nowhere.
  static func content(_ layout: OpenBaoLayout, network: Network) throws(PalanaError) -> [UInt8] {
    let api = network == .own ? "127.0.0.1:8200" : "127.0.0.1:0"
    let cluster = network == .own ? "127.0.0.1:8201" : "127.0.0.1:0"
    let file: [String: Node] = [
      "storage": [
        "raft": [
          "path": .text(layout.data), "node_id": "palana",
          // The shortest of raft's timeouts: there are no other members to wait for. A start takes 0.2 s instead of 7.
          "performance_multiplier": "1",
        ]
      ],
      "seal": ["static": ["current_key_id": "1", "current_key": .text("file://\(layout.sealKey)")]],
      "listener": .list([
        ["unix": ["address": .text(layout.socket), "socket_mode": "0600"]],
        ["tcp": ["address": .text(api), "cluster_address": .text(cluster), "tls_disable": .flag(true)]],
      ]),
      "api_addr": .text("http://\(api)"),
      "cluster_addr": .text("https://\(cluster)"),
      "log_level": "info",
      "ui": .flag(false),
    ]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do { return Array(try encoder.encode(file)) } catch {
      throw PalanaError(.failed, "the configuration of OpenBao could not be written")
    }
  }

  private enum Node: Encodable, ExpressibleByStringLiteral, ExpressibleByDictionaryLiteral {
    case text(String)
    case flag(Bool)
    case list([Node])
    case block([String: Node])

    init(stringLiteral value: String) { self = .text(value) }
    init(dictionaryLiteral elements: (String, Node)...) {
      self = .block(Dictionary(elements, uniquingKeysWith: { first, _ in first }))
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .text(let value): try container.encode(value)
      case .flag(let value): try container.encode(value)
      case .list(let value): try container.encode(value)
      case .block(let value): try container.encode(value)
      }
    }
  }
}
