import Foundation
import Testing

/// `pcli egress test` and the gateway give the same answer to the same request.
@Suite struct AgreementTests {
  @Test func theTestAndTheGatewayAgree() async throws {
    let platform = try await Platform.shared.get()
    let (secure, plain) = (platform.upstream.httpsPort, platform.upstream.httpPort)
    try await platform.pcli("create", "agree", "--template", "shell")
    try await platform.pcli("egress", "allow", "agree", "allowed.test:\(secure)", "--method", "GET", "--path", "/repos/**")
    try await platform.pcli("egress", "allow", "agree", "other.test:\(secure)")
    try await platform.pcli("egress", "allow", "agree", "other.test:\(plain)", "--method", "HEAD")
    try await platform.pcli("egress", "allow", "agree", "evil.test:\(secure)")
    try await platform.pcli("egress", "deny", "agree", "evil.test:\(secure)")
    try await platform.pcli("run", "agree")
    // The reason where it is certain; "" says allowed, nil only that both agree.
    let rows: [(method: String, url: String, reason: String?)] = [
      ("GET", "https://allowed.test:\(secure)/repos/a/b", ""),
      ("GET", "https://allowed.test:\(secure)/repos/a?q=1", ""),
      ("POST", "https://allowed.test:\(secure)/repos/a", "method_not_allowed"),
      ("GET", "https://allowed.test:\(secure)/other", "path_not_allowed"),
      ("GET", "https://allowed.test:\(secure)/repos/../other", "malformed_request"),
      ("GET", "https://allowed.test:\(secure)/repos/%2e%2e/other", "malformed_request"),
      ("GET", "https://allowed.test:\(secure)/repos/a%00b", "malformed_request"),
      ("GET", "https://allowed.test:\(secure)/repos/a%2Fb", nil),
      ("GET", "https://allowed.test:\(secure)/repos//b", nil),
      ("GET", "https://allowed.test:\(secure)/%72epos/b", nil),
      ("GET", "https://allowed.test:\(secure)/REPOS/b", "path_not_allowed"),
      ("GET", "https://allowed.test:\(secure)/repos", nil),
      ("TRACE", "https://other.test:\(secure)/anything", "method_not_allowed"),
      ("GET", "https://other.test:\(secure)/anything", ""),
      ("DELETE", "https://other.test:\(secure)/anything", ""),
      ("GET", "https://OTHER.TEST:\(secure)/Case", ""),
      ("GET", "https://other.test/", "port_not_allowed"),
      ("GET", "http://other.test:\(plain)/x", "method_not_allowed"),
      ("HEAD", "http://other.test:\(plain)/x", ""),
      ("GET", "https://evil.test:\(secure)/", "policy_denied"),
      ("GET", "https://unknown.test:\(secure)/", "host_not_allowed"),
      ("GET", "https://sub.other.test:\(secure)/", "host_not_allowed"),
      ("GET", "http://169.254.169.254/latest", "address_not_allowed"),
      ("GET", "https://127.0.0.1:\(secure)/", "address_not_allowed"),
      ("GET", "http://[::1]:\(plain)/", "address_not_allowed"),
      ("GET", "http://0x7f000001:\(plain)/", nil),
      ("GET", "http://2130706433:\(plain)/", nil),
      ("GET", "http://other.test.:\(plain)/", nil),
      ("PATCH", "https://allowed.test:\(secure)/repos/a", "method_not_allowed"),
      ("OPTIONS", "https://other.test:\(secure)/x", ""),
    ]
    let answers = try await platform.ask("agree", rows.map { Ask(method: $0.method, url: $0.url) })
    for (row, answer) in zip(rows, answers) {
      let finished = try await platform.pcli("egress", "test", "agree", row.method, row.url, "-o", "json", expect: nil)
      let predicted = try finished.json()
      let what = Comment(rawValue: "\(row.method) \(row.url): \(finished.output) against \(answer)")
      #expect(predicted["allowed"].bool == (answer.reason == nil && answer.status != 0), what)
      #expect(finished.code == (answer.reason == nil ? 0 : 4), what)
      #expect(predicted["reason"].string == answer.reason || row.method == "HEAD", what)
      if let reason = row.reason { #expect((answer.reason ?? "") == reason, what) }
    }
    try await platform.pcli("delete", "agree", "--purge")
  }
}
