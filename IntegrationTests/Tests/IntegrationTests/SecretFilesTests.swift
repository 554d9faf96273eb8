import Foundation
import Testing

/// Agent-readable secrets are files inside, and only they.
@Suite struct SecretFilesTests {
  @Test func onlyReadableSecretsAreFiles() async throws {
    let platform = try await Platform.shared.get()
    try await platform.pcli("create", "reader", "--template", "shell")
    let source = platform.home + "/value.txt"
    try "from a file\nof two lines\n".write(toFile: source, atomically: true, encoding: .utf8)
    try await platform.pcli("secrets", "add", "reader", "CONFIG", "text=@" + source, "--agent-readable")
    try await platform.pcli("secrets", "add", "reader", "HIDDEN", "token=-", input: "never-inside")
    try await platform.pcli("run", "reader")
    let listed = try await platform.pcli("exec", "reader", "--", "find", "/run/secrets", "-type", "f").output
    #expect(listed == "/run/secrets/CONFIG\n", "\(listed)")
    #expect(try await platform.pcli("exec", "reader", "--", "cat", "/run/secrets/CONFIG").output == "from a file\nof two lines\n")
    let environment = try await platform.pcli("exec", "reader", "--", "env").output
    #expect(environment.contains("HIDDEN=TOKEN_HIDDEN"))
    #expect(!environment.contains("never-inside"))
    // Neither can be written, and a listing never shows a value.
    try await platform.pcli("exec", "reader", "--", "sh", "-c", "! echo x > /run/secrets/CONFIG")
    let list = try await platform.pcli("secrets", "list", "reader", "-o", "json").output
    #expect(list.contains("CONFIG") && list.contains("HIDDEN") && !list.contains("never-inside") && !list.contains("from a file"))

    try await platform.pcli("secrets", "rm", "reader", "CONFIG")
    try await platform.pcli("restart", "reader")
    try await platform.pcli("exec", "reader", "--", "sh", "-c", "! test -e /run/secrets/CONFIG")
    try await platform.pcli("delete", "reader", "--purge")
  }
}
