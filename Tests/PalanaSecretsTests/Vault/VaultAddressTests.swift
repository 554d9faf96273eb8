import PalanaCore
import PalanaSecrets
import Testing

@Suite struct VaultAddressTests {
  @Test(arguments: [
    ("unix:/run/bao.sock", "unix:/run/bao.sock"), ("unix:///run/bao.sock", "unix:/run/bao.sock"),
    ("http+unix://%2Frun%2Fbao.sock", "unix:/run/bao.sock"), ("https://vault.example.com", "https://vault.example.com"),
    ("https://vault.example.com:8200/", "https://vault.example.com:8200"),
    ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
    ("http://localhost:8200", "http://localhost:8200"), ("http://[::1]:8200", "http://[::1]:8200"),
  ])
  func reads(text: String, expected: String) throws {
    #expect(try VaultAddress.parse(text).description == expected)
  }

  @Test(arguments: [
    "", "vault.example.com", "http://vault.example.com", "http://10.0.0.1:8200", "http://127.0.0.1.evil.example",
    "https://user@vault", "https://vault/v1", "https://vault?x", "https://", "unix:relative", "ftp://x",
    "http+unix://%zz",
    "http+unix://%2", "https://va ult", "unix:/" + String(repeating: "a", count: 107), "http://127.evil.example",
  ])
  func refuses(text: String) { #expect(thrown { _ = try VaultAddress.parse(text) }?.code == .invalid) }
}
