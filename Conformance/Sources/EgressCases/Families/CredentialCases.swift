/// A placeholder becomes a value only where it is bound, and is inert everywhere else.
enum CredentialCases {
  static let all: [EgressCase] =
    replaced.map { passes($0, $1) } + inert.map { refuses($0, $1, $2) } + elsewhere.map { other($0, $1) }
    + [toOther, inClear, foreignLooksUnknown, leak, leakEncoded, inBody, bodyPlace, splitHead, trailer, keptConnection]

  /// Fields in which the placeholder `MARK` is replaced, exactly once.
  private static let replaced: [(String, String)] = [
    ("bearer", "authorization: Bearer MARK"), ("token", "authorization: token MARK"), ("upper-name", "AUTHORIZATION: Bearer MARK"),
    ("bare", "authorization: MARK"), ("quoted", "authorization: Bearer \"MARK\""), ("basic", "authorization: Basic BASE(u:MARK)"),
    ("basic-user", "authorization: Basic BASE(MARK:x)"), ("basic-lower", "authorization: basic BASE(u:MARK)"),
    ("basic-upper", "authorization: BASIC BASE(u:MARK)"), ("basic-spaces", "authorization: Basic   BASE(u:MARK)"),
    ("basic-tab", "authorization: Basic\tBASE(u:MARK)"), ("basic-no-padding", "authorization: Basic BARE(u:MARK)"),
    ("basic-colons", "authorization: Basic BASE(a:b:MARK)"),
  ]

  private static func write(_ text: String, _ secret: CaseTarget.Secret) -> String {
    var text = text.replacing("MARK", with: secret.placeholder).replacing("FOREIGN", with: secret.foreign).replacing(
      "VALUE", with: secret.value)
    for (name, strip) in [("BASE(", false), ("BARE(", true)] {
      while let start = text.firstRange(of: name), let end = text[start.upperBound...].firstIndex(of: ")") {
        var coded = Base64.encode(Array(text[start.upperBound..<end].utf8))
        if strip { while coded.last == "=" { coded.removeLast() } }
        text.replaceSubrange(start.lowerBound...end, with: coded)
      }
    }
    return text
  }

  private static func passes(_ name: String, _ field: String) -> EgressCase {
    EgressCase(.credentials, "replaced-\(name)", "A bound placeholder in a bound place is replaced exactly once.") { attack in
      let secret = try attack.secret
      let verdict = attack.passed(try await attack.ask(attack.request([write(field, secret)])))
      guard verdict == .held, let request = attack.arrived.first else { return verdict }
      guard let got = request.values("authorization").first, request.values("authorization").count == 1 else {
        return .broken("no such field arrived")
      }
      let wanted = write(field.replacing("MARK", with: "VALUE"), secret).split(separator: ":", maxSplits: 1).last?.drop { $0 == " " } ?? ""
      let decoded = got.split { $0 == " " || $0 == "\t" }.last.map { Base64.decode(String($0)) } ?? nil
      let isThere = got.contains(secret.value) || decoded?.contains(secret.value) == true
      attack.expectEvent("the request with the secret names it") { $0.path == attack.path && !$0.secrets.isEmpty }
      return isThere ? .held : .broken("arrived as \(got == String(wanted) ? "wanted, but without the value" : "another value")")
    }
  }

  /// Fields with which nothing may be sent.
  private static let inert: [(String, [String], String)] = [
    ("other-field", ["x-key: MARK"], "secret_not_bound"), ("cookie", ["cookie: a=MARK"], "secret_not_bound"),
    ("referer", ["referer: https://x/MARK"], "secret_not_bound"),
    ("name", ["MARK: x"], "placeholder_left"), ("name-part", ["x-MARK-y: x"], "placeholder_left"),
    ("percent", ["authorization: Bearer PERCENT"], "placeholder_left"),
    ("percent-twice", ["authorization: Bearer TWICE"], "placeholder_left"),
    ("basic-percent", ["authorization: Basic BASE(u:PERCENT)"], "placeholder_left"),
    ("adjacent", ["authorization: Bearer MARKMARK"], "secret_not_bound"), ("longer", ["authorization: Bearer MARK_X"], "secret_not_bound"),
    ("nested", ["authorization: Bearer TOKEN_MARK"], "secret_not_bound"),
    ("foreign", ["authorization: Bearer FOREIGN"], "secret_not_bound"),
    ("foreign-basic", ["authorization: Basic BASE(u:FOREIGN)"], "secret_not_bound"),
    ("unknown", ["authorization: Bearer TOKEN_THAT_NOBODY_HAS"], "secret_not_bound"),
    ("twice", ["authorization: Bearer MARK", "Authorization: none"], "malformed_request"),
    ("both-real", ["authorization: Bearer MARK", "authorization: Bearer MARK"], "malformed_request"),
    ("hop", ["authorization: Bearer MARK", "connection: authorization"], "malformed_request"),
    ("folded", ["authorization: Bearer", " MARK"], "malformed_request"),
    ("proxy-field", ["proxy-authorization: Bearer MARK"], "placeholder_left"), ("host", ["host: MARK.invalid"], "malformed_request"),
    ("with-foreign", ["authorization: Bearer MARK FOREIGN"], "secret_not_bound"),
    ("range-name", ["authorization : Bearer MARK"], "malformed_request"),
    ("connection", ["connection: MARK"], "placeholder_left"), ("expect", ["expect: MARK"], "malformed_request"),
    ("content-length", ["content-length: MARK"], "malformed_request"), ("user-agent", ["user-agent: MARK"], "secret_not_bound"),
  ]

  private static func refuses(_ name: String, _ fields: [String], _ reason: String) -> EgressCase {
    EgressCase(.credentials, "inert-\(name)", "A placeholder in another place is refused, and no value is sent.") { attack in
      let secret = try attack.secret
      let percent = secret.placeholder.replacing("_", with: "%5f")
      let lines = fields.map {
        write($0.replacing("PERCENT", with: percent).replacing("TWICE", with: percent.replacing("%", with: "%25")), secret)
      }
      let answer = try await attack.ask(attack.request(lines))
      return attack.refused(answer, reason, "placeholder_left", "secret_not_bound", "malformed_request", mayRestate: true)
    }
  }

  private static let elsewhere: [(String, String)] = [
    ("query", "PATH?x=MARK"), ("query-name", "PATH?MARK=x"), ("path", "PATH/MARK"), ("path-percent", "PATH/PERCENT"),
    ("query-percent", "PATH?x=PERCENT"),
    ("query-twice", "PATH?x=TWICE"), ("query-plus", "PATH?x=+MARK+"), ("path-parameter", "PATH;MARK"), ("foreign-query", "PATH?x=FOREIGN"),
    ("foreign-path", "PATH/FOREIGN"), ("path-dots", "PATH/x/../MARK"), ("absolute", "https://AUTHORITYPATH?x=MARK"),
  ]

  private static func other(_ name: String, _ target: String) -> EgressCase {
    EgressCase(.credentials, "target-\(name)", "A placeholder in a target that no place of a binding is, is refused.") { attack in
      let secret = try attack.secret
      let percent = secret.placeholder.replacing("_", with: "%5f")
      let text = write(target.replacing("PERCENT", with: percent).replacing("TWICE", with: percent.replacing("%", with: "%25")), secret)
        .replacing("PATH", with: attack.path).replacing("AUTHORITY", with: attack.authority())
      return attack.refused(try await attack.ask(attack.request(text)), "placeholder_left", "secret_not_bound", "malformed_request")
    }
  }

  private static let toOther = EgressCase(.credentials, "other-host", "A placeholder to a host that it is not bound to is refused.") {
    attack in
    let secret = try attack.secret
    for field in ["authorization: Bearer MARK", "authorization: Basic BASE(u:MARK)"] {
      let text = attack.request(host: attack.authority(attack.other), [write(field, secret)])
      let verdict = attack.refused(try await attack.ask(text, name: attack.other), "secret_not_bound")
      guard verdict == .held else { return verdict }
    }
    return .held
  }

  private static let inClear = EgressCase(.credentials, "in-clear", "A placeholder over plain HTTP is refused.") { attack in
    let secret = try attack.secret
    return attack.refused(
      try await attack.askProxy(attack.plain(["authorization: Bearer \(secret.placeholder)"])), "secret_not_bound", "scheme_not_allowed")
  }

  private static let foreignLooksUnknown = EgressCase(
    .credentials, "no-oracle", "The answer to another agent's placeholder and to one that nobody has is the same."
  ) { attack in
    let secret = try attack.secret
    func shape(_ placeholder: String) async throws -> String {
      let answer = try await attack.ask(attack.request(["authorization: Bearer \(placeholder)"]))
      return "\(answer.status) " + answer.text.replacing(answer.requestID ?? "-", with: "ID").replacing(placeholder, with: "P")
    }
    let (foreign, unknown) = (try await shape(secret.foreign), try await shape("TOKEN_THAT_NOBODY_HAS"))
    return foreign == unknown ? .held : .broken("‘\(foreign)’ is not ‘\(unknown)’")
  }

  private static let leak = EgressCase(.credentials, "leak-guard", "A real value in a request is refused and flagged as critical.") {
    attack in
    try attack.require(.leakGuard)
    let secret = try attack.secret
    for fields in [
      ["x-leak: \(secret.value)"], ["authorization: Bearer \(secret.value)"], ["cookie: a=\(secret.value); b"], ["\(secret.value): x"],
    ] {
      let verdict = attack.refused(try await attack.ask(attack.request(fields)), "secret_leak")
      guard verdict == .held else { return verdict }
    }
    let target = attack.path + "?x=" + secret.value
    let toOther = attack.request(target, host: attack.authority(attack.other))
    return attack.refused(try await attack.ask(toOther, name: attack.other), "secret_leak")
  }

  private static let leakEncoded = EgressCase(.credentials, "leak-guard-basic", "A real value inside of a Basic credential is refused.") {
    attack in
    try attack.require(.leakGuard)
    let secret = try attack.secret
    let text = attack.request([write("authorization: Basic BASE(u:VALUE)", secret)])
    return attack.refused(try await attack.ask(text), "secret_leak")
  }

  private static let inBody = EgressCase(
    .credentials, "body-is-inert", "A placeholder in a body that no binding names stays text, or is refused."
  ) { attack in
    let secret = try attack.secret
    let body = "{\"token\": \"\(secret.placeholder)\"}"
    let answer = try await attack.ask(
      attack.request(method: "POST", ["content-type: application/json", "content-length: \(body.utf8.count)"], body: body))
    guard answer.status == 200 else { return attack.refused(answer, "placeholder_left", "secret_not_bound", mayArrive: true) }
    let sent = attack.arrived.contains { String(decoding: $0.body, as: UTF8.self).contains(secret.value) }
    return sent ? .broken("the body got the value") : .held
  }

  private static let bodyPlace = EgressCase(
    .credentials, "body-place", "A placeholder in a body that a binding names is replaced, or the request is refused: it never travels."
  ) { attack in
    let secret = try attack.contents
    let body = "{\"token\": \"\(secret.placeholder)\"}"
    let text = attack.request(
      method: "POST", host: attack.authority(attack.other), ["content-type: application/json", "content-length: \(body.utf8.count)"],
      body: body)
    let answer = try await attack.ask(text, name: attack.other)
    guard attack.target.features.contains(.contents) else { return attack.refused(answer, "not_on_this_data_plane") }
    let verdict = attack.passed(answer)
    guard verdict == .held else { return verdict }
    let arrived = String(decoding: attack.arrived[0].body, as: UTF8.self)
    return arrived == "{\"token\": \"\(secret.value)\"}" ? .held : .broken("the body is another one")
  }

  private static let splitHead = EgressCase(.credentials, "split-over-packets", "A placeholder that comes byte by byte is replaced once.") {
    attack in
    let secret = try attack.secret
    let wire = try await attack.tunnel()
    try await wire.send(attack.request(["authorization: Bearer \(secret.placeholder)"]), inPiecesOf: 3)
    let verdict = attack.passed(try await wire.answer())
    guard verdict == .held else { return verdict }
    return attack.arrived[0].values("authorization") == ["Bearer \(secret.value)"] ? .held : .broken("arrived as another value")
  }

  private static let trailer = EgressCase(.credentials, "trailer", "A placeholder in a trailer is dropped or refused.") { attack in
    let secret = try attack.secret
    let text =
      attack.request(method: "POST", ["transfer-encoding: chunked", "trailer: authorization"])
      + "1\r\na\r\n0\r\nauthorization: Bearer \(secret.placeholder)\r\n\r\n"
    _ = try await attack.ask(text)
    return attack.arrived.contains { $0.head.contains(secret.value) || String(decoding: $0.body, as: UTF8.self).contains(secret.value) }
      ? .broken("the value arrived") : .held
  }

  private static let keptConnection = EgressCase(
    .credentials, "kept-connection", "A credential belongs to its request alone, not to the connection."
  ) { attack in
    let secret = try attack.secret
    let wire = try await attack.tunnel()
    try await wire.send(
      attack.request(attack.path + "/1", ["authorization: Bearer \(secret.placeholder)"]) + attack.request(attack.path + "/2"))
    let statuses = [try await wire.answer().status, try await wire.answer().status]
    guard statuses == [200, 200], attack.arrived.count == 2 else { return .broken("answered \(statuses)") }
    return attack.arrived[1].values("authorization").isEmpty ? .held : .broken("the second request carried a credential")
  }
}
