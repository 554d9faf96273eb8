import Crypto
package import PalanaCore

/// The second factor of agents at the gateway: derived, not stored. See design/0004.
package struct ProxyTokens: Sendable {
  private let key: Redacted<[UInt8]>

  /// - Parameter key: 32 random bytes of this installation.
  package init(key: Redacted<[UInt8]>) { self.key = key }

  /// The token of the agent with this uid: 64 hexadecimal digits of HMAC-SHA256.
  package func token(uid: String) -> Redacted<String> {
    let code = HMAC<SHA256>.authenticationCode(
      for: Array("palana-proxy-token:\(uid)".utf8), using: SymmetricKey(data: key.reveal()))
    return Redacted(
      code.map { byte in
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
      }.joined())
  }
}
