import Foundation
import Testing

/// What code inside a sandbox tries against the gateway with bytes of its own, over the agent's real network.
@Suite struct GatewayAttackTests {
  private static let rows: [(String, [Substring])] = [
    ("200 -", ["dot", "bearer", "basic-tab", "trailer", "extension"]),
    ("100 -", ["continue"]),
    (
      "400 malformed_request",
      [
        "dots", "hex", "decimal", "octal", "short", "zone", "port-0", "port-big", "port-sign", "user", "nul", "wide", "folded",
        "twice", "hop", "absolute-user", "two-hosts", "h2",
      ]
    ),
    ("403 address_not_allowed", ["mapped", "nat64", "6to4", "loopback6", "any", "gateway", "metadata"]),
    ("403 host_not_allowed", ["localhost", "evil"]),
    ("403 secret_not_bound", ["elsewhere", "adjacent", "nested", "foreign", "cookie"]),
    ("403 placeholder_left", ["name", "percent", "percent-twice", "query", "path", "proxy-field"]),
    ("403 method_not_allowed", ["trace"]),
    ("403 name_mismatch", ["absolute-other", "absolute-http", "host"]),
    ("403 protocol_not_supported", ["tunnel"]),
    ("403 secret_leak", ["leak"]),
  ]

  @Test func hostileBytesAreRefusedForTheRightReason() async throws {
    let platform = try await Platform.shared.get()
    let port = platform.upstream.httpsPort
    let value = "the-real-value-of-gate"
    try await platform.pcli("create", "gate", "--template", "shell")
    for host in ["allowed.test", "other.test"] { try await platform.pcli("egress", "allow", "gate", "\(host):\(port)") }
    try await platform.pcli(
      "secrets", "add", "gate", "GATE", "token=-", "--host", "allowed.test:\(port)", "--in", "basic", "--in", "header:authorization",
      input: value)
    try await platform.pcli("run", "gate")
    let source = try String(contentsOfFile: Checkout.root + "IntegrationTests/inside/gateway.py", encoding: .utf8)
    let output = try await platform.pcli("exec", "gate", "--", "/usr/bin/python3", "-c", source, "\(port)", "other.test").output
    var seen: [Substring: Substring] = [:]
    for line in output.split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1)
      seen[parts[0]] = parts[1]
    }
    #expect(seen.count == Self.rows.reduce(0) { $0 + $1.1.count })
    for (expected, names) in Self.rows { for name in names { #expect(seen[name] ?? "" == expected, "\(name)") } }

    // Only the two right requests brought the value, and no placeholder travelled.
    let real = [value, Data("u:\(value)".utf8).base64EncodedString()]
    let marks = ["TOKEN_", Data("u:TOKEN_GATE".utf8).base64EncodedString()]
    let texts = try platform.upstream.received().filter { $0["path"].string == "/echo/gate" }.map { "\($0)" }
    #expect(texts.count { text in real.contains(where: text.contains) } == 2)
    #expect(!texts.contains { text in marks.contains(where: text.contains) })
    try await platform.pcli("delete", "gate", "--purge")
  }
}
