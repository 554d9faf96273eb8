import FoundationEssentials

/// Base64 (RFC 4648 §4), as the data of a secret is written.
enum Base64Text {
  static func encoded(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}
