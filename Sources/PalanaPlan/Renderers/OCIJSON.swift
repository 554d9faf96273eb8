import FoundationEssentials
package import PalanaCore

extension OCISpec {
  /// The specification as JSON with sorted keys, with the proxy token in its place. From here on it is a secret.
  /// - Throws: ``PalanaError`` with code `invalid` when the token could change the meaning of a URL.
  package func json(proxyToken: Redacted<String>) throws(PalanaError) -> Redacted<[UInt8]> {
    var copy = self
    copy.process = try process.filled(proxyToken)
    return Redacted(try OCIJSON.bytes(copy))
  }

  /// The specification as JSON with sorted keys, with the mark where the token comes: for tests and people.
  package func markedJSON() throws(PalanaError) -> [UInt8] { try OCIJSON.bytes(self) }
}

extension OCIProcess {
  fileprivate func filled(_ token: Redacted<String>) throws(PalanaError) -> OCIProcess {
    let text = token.reveal()
    let isPlain = text.utf8.allSatisfy { byte in
      (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 45 || byte == 95
    }
    guard !text.isEmpty, isPlain else {
      throw PalanaError(.invalid, "a proxy token has only letters, digits, dashes and underscores")
    }
    var copy = self
    copy.env = env.map { entry in
      let parts = entry.split(separator: AgentEnvironment.proxyTokenMark, omittingEmptySubsequences: false)
      return parts.count == 1 ? entry : parts.joined(separator: text)
    }
    return copy
  }
}

/// One encoder for all: sorted keys, so that equal values are equal bytes.
enum OCIJSON {
  static func bytes(_ value: some Encodable) throws(PalanaError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return Array(try encoder.encode(value)) } catch {
      throw PalanaError(.failed, "a runtime specification could not be written as JSON: \(error)")
    }
  }
}
