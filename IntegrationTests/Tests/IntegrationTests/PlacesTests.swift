import Foundation
import Testing

/// Credentials in other places than a header, with an ordinary program inside an agent.
@Suite struct PlacesTests {
  private static let value = #"real "value"/+&"#

  @Test func curlSendsPlaceholdersAndTheUpstreamGetsValues() async throws {
    let platform = try await Platform.shared.get()
    let host = "allowed.test:\(platform.upstream.httpsPort)"
    try await platform.pcli("create", "places", "--template", "shell")
    try await platform.pcli("egress", "allow", "places", host)
    func add(_ name: String, _ more: String..., value: String = PlacesTests.value) async throws {
      try await platform.pcli(["secrets", "add", "places", name, "token=-", "--host", host] + more, input: value)
    }
    try await add("QUERY_KEY", "--in", "query:key")
    try await add("SEGMENT", "--in", "path", value: "123:segment")
    try await add("FIELD", "--in", "body", "--placeholder", "shape:slack-bot")
    try await add("OWN", "--in", "header:x-own", "--require", value: "own-value")
    try await platform.pcli(
      "secrets", "add", "places", "AWS", "access_key_id=-", "secret_access_key=a-real-secret-key", "--host", host, "--in", "aws-sigv4",
      "--aws-region", "eu-west-1", "--aws-service", "s3", "--placeholder", "shape:aws-access-key", input: "AKIDREALREALREAL")
    try await platform.pcli("run", "places")

    let script = """
      set -eu
      ask() { curl -sS -o /dev/null -w '%{http_code} ' "$@"; }
      ask "$0/echo/places/query?a=1&key=$QUERY_KEY"
      ask "$0/echo/places/$SEGMENT/x"
      ask "$0/echo/places/json" -H 'content-type: application/json' -d "{\\"token\\": \\"$FIELD\\"}"
      ask "$0/echo/places/form" --data-urlencode "token=$FIELD"
      ask "$0/echo/places/multipart" -F "token=$FIELD" -F 'other=1'
      ask "$0/echo/places/text" -H 'content-type: text/plain' -d "$FIELD"
      ask "$0/echo/places/elsewhere?other=$QUERY_KEY"
      ask "$0/echo/places/own" -H "x-own: $OWN"
      ask "$0/echo/places/other" -H "x-own: mine"
      ask "$0/echo/places/aws?list-type=2&prefix=a%2Fb" --aws-sigv4 aws:amz:eu-west-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"
      ask "$0/echo/places/scope" --aws-sigv4 aws:amz:eu-west-2:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"
      """
    let output = try await platform.pcli("exec", "places", "--", "sh", "-c", script, platform.https("allowed.test")).output
    #expect(output == "200 200 200 200 200 415 403 200 403 200 403 ")

    let received = try platform.upstream.received().filter { $0["path"].string?.hasPrefix("/echo/places/") == true }
    func body(_ name: String) -> String? {
      received.first { $0["path"].string == "/echo/places/\(name)" }?["body"].string
    }
    let encoded = "real%20%22value%22%2F%2B%26"
    #expect(received.count == 7)
    #expect(received.map { $0["path"].string ?? "" }.prefix(2) == ["/echo/places/query?a=1&key=\(encoded)", "/echo/places/123:segment/x"])
    #expect(body("json") == #"{"token": "real \"value\"/+&"}"#)
    #expect(body("form") == "token=\(encoded)")
    #expect(body("multipart")?.contains("name=\"token\"\r\n\r\n\(Self.value)\r\n") == true)
    let signed = try #require(received.first { $0["path"].string?.hasPrefix("/echo/places/aws") == true })
    let head: [String: Any] = [
      "method": signed["method"].string ?? "", "path": signed["path"].string ?? "",
      "headers": signed["headers"].array.map { [$0[0].string ?? "", $0[1].string ?? ""] },
    ]
    let text = String(decoding: try JSONSerialization.data(withJSONObject: head), as: UTF8.self)
    #expect(try await Self.isSigned(text))
    #expect(!"\(received)".contains("TOKEN_"))
    try await platform.pcli("delete", "places", "--purge")
  }

  /// Whether another implementation signs the request in the same way.
  private static func isSigned(_ request: String) async throws -> Bool {
    let source = """
      import hashlib, hmac, json, sys
      request = json.loads(sys.argv[1])
      headers = {name.lower(): value for name, value in request["headers"]}
      algorithm, rest = headers["authorization"].split(" ", 1)
      fields = dict(part.strip().split("=", 1) for part in rest.split(","))
      key_id, scope = fields["Credential"].split("/", 1)
      path, _, query = request["path"].partition("?")
      empty = hashlib.sha256(b"").hexdigest()
      canonical = "\\n".join([request["method"], path, "&".join(sorted(query.split("&")))]
          + [f"{name}:{headers[name]}" for name in fields["SignedHeaders"].split(";")]
          + ["", fields["SignedHeaders"], headers.get("x-amz-content-sha256", empty)])
      text = "\\n".join([algorithm, headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
      key = b"AWS4a-real-secret-key"
      for part in scope.split("/"): key = hmac.new(key, part.encode(), hashlib.sha256).digest()
      print(key_id, hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == fields["Signature"])
      """
    return try await run("/usr/bin/python3", ["-c", source, request]).output == "AKIDREALREALREAL True\n"
  }
}
