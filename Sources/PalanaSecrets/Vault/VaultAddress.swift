package import PalanaCore

/// Where a Vault or OpenBao server listens.
package struct VaultAddress: Hashable, Sendable, CustomStringConvertible {
  package enum Form: Hashable, Sendable {
    /// The path of a Unix socket.
    case socket(String)
    /// `https://host[:port]`, or `http://` to this machine itself.
    case url(String)
  }

  package let form: Form

  /// The server on a Unix socket.
  ///
  /// - Throws: ``PalanaError`` with code `invalid` when the kernel could not take the path.
  package static func socket(_ path: String) throws(PalanaError) -> VaultAddress {
    // sun_path holds 108 bytes with its final NUL.
    guard path.hasPrefix("/"), path.utf8.count <= 107, !path.utf8.contains(0) else {
      throw PalanaError(
        .invalid, "the socket path of the secret store is not absolute or longer than 107 bytes",
        hint: "use a shorter home, for example /var/lib/palana")
    }
    return VaultAddress(form: .socket(path))
  }

  /// Reads `https://HOST[:PORT]`, `http://` to a loopback address, `unix:/PATH` or `http+unix://%2FPATH`.
  ///
  /// - Throws: ``PalanaError`` with code `invalid`. Plain http to another machine is refused: tokens would travel in clear.
  package static func parse(_ text: String) throws(PalanaError) -> VaultAddress {
    if text.hasPrefix("unix:") {
      var path = text.dropFirst(5)
      if path.hasPrefix("//") { path = path.dropFirst(2) }
      return try socket(String(path))
    }
    if text.hasPrefix("http+unix://") { return try socket(percentDecoded(text.dropFirst(12))) }
    let refusal = PalanaError(
      .invalid, "the address of the secret store is not one that Palana can use",
      hint: "write https://HOST[:PORT], http://127.0.0.1:PORT or unix:/PATH")
    let isPlain = text.hasPrefix("http://")
    guard isPlain || text.hasPrefix("https://") else { throw refusal }
    var authority = text.dropFirst(isPlain ? 7 : 8)
    if authority.hasSuffix("/") { authority = authority.dropLast() }
    // No path, query, user or fragment: the client puts its own path behind.
    guard !authority.isEmpty, authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
      !authority.contains(where: { "/?#@\\%\"<>^`{|}".contains($0) })
    else { throw refusal }
    if isPlain {
      let host =
        authority.hasPrefix("[") ? authority.prefix(while: { $0 != "]" }) + "]" : authority.prefix { $0 != ":" }
      guard host == "localhost" || host == "[::1]" || host.hasPrefix("127.") && IPAddress(String(host)) != nil else {
        throw PalanaError(
          .invalid, "the secret store is on another machine and its address is not https",
          hint: "use https:// with a certificate that this machine trusts")
      }
    }
    return VaultAddress(form: .url("\(isPlain ? "http" : "https")://\(authority)"))
  }

  package var description: String {
    switch form {
    case .socket(let path): "unix:\(path)"
    case .url(let url): url
    }
  }

  /// What requests begin with.
  var base: String {
    switch form {
    case .socket(let path): "http+unix://" + Self.percentEncoded(path)
    case .url(let url): url
    }
  }

  private static func percentEncoded(_ path: String) -> String {
    var text = ""
    for byte in path.utf8 {
      if PlaceholderRules.isToken(byte) {
        text.unicodeScalars.append(UnicodeScalar(byte))
      } else {
        text += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
      }
    }
    return text
  }

  private static func percentDecoded(_ text: Substring) throws(PalanaError) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let value = UInt8(String(Substring(rest.prefix(2))), radix: 16), rest.count >= 2 else {
        throw PalanaError(.invalid, "the socket path of the secret store is not percent-encoded correctly")
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
