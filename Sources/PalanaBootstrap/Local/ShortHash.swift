import Crypto

/// The first ten hexadecimal digits of the SHA-256 of a text.
func shortHash(_ text: String) -> String {
  SHA256.hash(data: Array(text.utf8)).prefix(5).map { byte in
    let digits = String(byte, radix: 16)
    return byte < 16 ? "0" + digits : digits
  }.joined()
}
