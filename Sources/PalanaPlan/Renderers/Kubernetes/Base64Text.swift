import FoundationEssentials

/// Base64 (RFC 4648 §4), as bytes stand in objects of a cluster.
package enum Base64Text {
  package static func encoded(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
  /// Nil for what is not Base64.
  package static func decoded(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { Array($0) } }
}
