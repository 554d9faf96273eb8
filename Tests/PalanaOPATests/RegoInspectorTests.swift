import PalanaCore
import Testing

@testable import PalanaOPA

@Suite(.enabled(if: RealOPA.isInstalled, RealOPA.missing)) struct RegoInspectorTests {
  private func inspect(_ bodies: [String]) throws -> RegoInspector.Findings {
    let files = bodies.enumerated().map {
      RegoFile(name: "p\($0.offset).rego", text: "package palana.egress\n" + $0.element)
    }
    return try RegoInspector(engine: OPAEngine(try RealOPA.library())).inspect(files)
  }

  @Test(arguments: [
    (
      #"deny contains "x" if { http.send({"method": "get", "url": "http://x"}).status_code == 200 }"#,
      "p0.rego:2: the function http.send"
    ),
    ("# a comment\n\nallow if http[\"send\"]({})", "p0.rego:4: the function http.send"),
    (#"allow if concat("a", ["b"]) with concat as http.send"#, "http.send"),
    (#"allow if count("a") == 1 with http.send as {}"#, "http.send"),
    ("allow if every x in [1] { x == http.send({}) }", "http.send"),
    ("deny contains y if { some y in http.send({}).body }", "http.send"),
    ("v := [y | y := http.send({})]", "http.send"), ("v := {y: 1 | y := http.send({})}", "http.send"),
    ("f(x) := http.send(x)", "http.send"), ("default allow := false\nallow if { not http.send({}) }", "http.send"),
    ("allow if { input.x == 1 } else if { http.send({}) }", "http.send"),
    (#"allow if net.lookup_ip_addr(input.request.host)"#, "net.lookup_ip_addr"),
    (#"allow if opa.runtime().env.HOME == "/root""#, "opa.runtime"), (#"x := rand.intn("a", 10)"#, "rand.intn"),
    (#"x := uuid.rfc4122("a")"#, "uuid.rfc4122"), (#"x := rego.parse_module("a", "package a")"#, "rego.parse_module"),
    (#"x := json.match_schema({}, {"$ref": "http://127.0.0.1/"})"#, "json.match_schema"),
    (#"x := json.verify_schema({"$ref": "http://127.0.0.1/"})"#, "json.verify_schema"),
    ("x := not_known.function(1)", "not_known.function"), ("x := custom(1)", "custom"),
    ("deny contains http.send({}) if input.x", "http.send"), ("p[http.send({})] := 1", "http.send"),
    (#"x := $"{http.send({})}""#, "http.send"), ("default f(_) := 1\nx := f(http.send({}))", "http.send"),
    ("allow if [http.send][0]", "http.send"), ("x := {http.send({}): 1}", "http.send"),
    (#"allow if input.x with input.x as opa.runtime()"#, "opa.runtime"),
    ("import data.other as http\nx := http.send(1)", "http.send"),
  ])
  func refuses(body: String, message: String) {
    let error = #expect(throws: PalanaError.self) { try inspect([body]) }
    #expect(error?.code == .invalid)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  @Test(arguments: [
    "# http.send is only mentioned\nallow if input.request.method == \"GET\"",
    #"deny contains "http.send" if input.request.host == "opa.runtime""#,
    #"allow if { net.cidr_contains("10.0.0.0/8", "10.1.1.1"); regex.match("a+", input.request.path) }"#,
    "f(x) := x + 1\nallow if f(1) == 2", "import data.lib\nallow if lib.ok(input)", "allow if data.lib.sub.ok(input)",
    "allow if every x in [1, 2] { x > 0 }", "allow if { some i, v in input.agent.labels; i == v }",
    "import rego.v1\nallow if \"a\" in {\"a\"}", "allow if { x := {\"send\": 1}; x.send == 1 }",
    "a.b.c(x) := x\nallow if a.b.c(true)", "allow if { walk(input, [p, v]); v == 1 }",
    #"allow if { s := sprintf("%v", [1]); print(s); s == "1" }"#,
  ])
  func accepts(body: String) throws {
    let findings = try inspect([body])
    #expect(!findings.changes)
    #expect(findings.packages == ["palana.egress"])
  }

  @Test func functionsOfOtherFilesOfThePackageCount() throws {
    _ = try inspect(["allow if helper(input)", "helper(x) if x.request.port == 443"])
  }

  @Test(arguments: [
    "allow if time.now_ns() > 0", #"x := io.jwt.decode_verify("a", {})"#,
    "f(x) := 1\nallow if f(1) == 1 with f as time.now_ns",
  ])
  func timeForbidsRemembering(body: String) throws { #expect(try inspect([body]).changes) }

  @Test func syntaxErrorsNameFileAndLine() {
    let error = #expect(throws: PalanaError.self) { try inspect(["allow if {"]) }
    #expect(error?.message.contains("p0.rego") == true)
    #expect(error?.message.contains("p0.rego:2") == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("parse_module") == false, "how it was parsed is of no use to the author")
  }

  @Test func oldSyntaxIsRefused() { #expect(throws: PalanaError.self) { try inspect(["deny[x] { x := 1 }"]) } }
}
