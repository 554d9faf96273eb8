/// One canonical name and port everywhere, judged again for each request.
enum NameCases {
  static let all: [EgressCase] = authorities + hosts + serverNames + plain + [twoOnOneTunnel, spellings, ports]

  /// Authorities of CONNECT. `NAME` is the allowed name, `PORT` the upstream's.
  private static let spelled: [(String, String, String)] = [
    ("denied", "evil.invalid:443", "host_not_allowed"), ("suffix", "NAME.evil.invalid:443", "host_not_allowed"),
    ("prefix", "evil-NAME:443", "host_not_allowed"), ("sub", "sub.NAME:443", "host_not_allowed"),
    ("no-port", "NAME", "malformed_request"), ("empty-port", "NAME:", "malformed_request"), ("port-0", "NAME:0", "malformed_request"),
    ("port-65536", "NAME:65536", "malformed_request"), ("port-wraps", "NAME:83979", "malformed_request"),
    ("port-plus", "NAME:+443", "malformed_request"), ("port-minus", "NAME:-443", "malformed_request"),
    ("port-leading-zero", "NAME:0443", "malformed_request"), ("port-hex", "NAME:0x1bb", "malformed_request"),
    ("port-long", "NAME:\(String(repeating: "4", count: 400))", "malformed_request"), ("two-ports", "NAME:443:443", "malformed_request"),
    ("user", "user@NAME:443", "malformed_request"), ("password", "user:443@NAME:443", "malformed_request"),
    ("user-is-allowed", "NAME@evil.invalid:443", "malformed_request"), ("user-with-port", "NAME:443@evil.invalid:443", "malformed_request"),
    ("scheme", "https://NAME:443", "malformed_request"), ("path", "NAME:443/", "malformed_request"),
    ("query", "NAME:443?x", "malformed_request"),
    ("fragment", "NAME:443#evil.invalid:443", "malformed_request"), ("backslash", "NAME\\.evil.invalid:443", "malformed_request"),
    ("empty-label", "NAME..:443", "malformed_request"), ("leading-dot", ".NAME:443", "malformed_request"),
    ("inner-empty-label", "a..NAME:443", "malformed_request"), ("hyphen", "-NAME:443", "malformed_request"),
    ("only-dot", ".:443", "malformed_request"),
    ("only-port", ":443", "malformed_request"), ("underscored-percent", "NAME%2eevil.invalid:443", "malformed_request"),
    ("percent-nul", "NAME%00.evil.invalid:443", "malformed_request"), ("percent-dot", "NAME%2e:443", "malformed_request"),
    ("star", "*.test:443", "malformed_request"), ("star-alone", "*:443", "malformed_request"),
    ("comma", "NAME,evil.invalid:443", "malformed_request"),
    ("semicolon", "NAME;evil.invalid:443", "malformed_request"), ("quote", "\"NAME\":443", "malformed_request"),
    ("wide-letters", "\u{ff41}llowed.test:443", "malformed_request"), ("wide-dot", "NAME\u{3002}evil.invalid:443", "malformed_request"),
    ("cyrillic", "\u{430}llowed.test:443", "malformed_request"), ("kelvin", "\u{212a}.test:443", "malformed_request"),
    ("soft-hyphen", "al\u{ad}lowed.test:443", "malformed_request"), ("zero-width", "allowed\u{200b}.test:443", "malformed_request"),
    ("punycode-look-alike", "xn--llowed-cua.test:443", "host_not_allowed"),
    ("long-label", "\(String(repeating: "a", count: 64)).test:443", "malformed_request"),
    ("long-name", "\(String(repeating: "a.", count: 130))test:443", "malformed_request"),
    ("brackets", "[NAME]:443", "malformed_request"), ("half-bracket", "[NAME:443", "malformed_request"),
    ("localhost", "localhost:443", "host_not_allowed"), ("localhost-dot", "localhost.:443", "host_not_allowed"),
    ("local", "host.local:443", "host_not_allowed"), ("vertical-tab", "NAME\u{b}:443", "malformed_request"),
    ("nul", "NAME\u{0}:443", "malformed_request"),
    ("delete", "NAME\u{7f}:443", "malformed_request"), ("tab", "NAME\t:443", "malformed_request"),
    ("two-targets", "NAME:443 evil.invalid:443", "malformed_request"),
  ]

  private static let authorities = spelled.map { name, authority, reason in
    EgressCase(.names, "connect-\(name)", "A CONNECT authority is canonical, or refused.", isSafe: true) { attack in
      let text = authority.replacing("NAME", with: attack.allowed)
      let reasons =
        reason == "host_not_allowed" ? ["host_not_allowed", "name_mismatch"] : [reason, "host_not_allowed", "address_not_allowed"]
      var said: String?
      let verdict = try await attack.refusedOrClosed {
        let answer = try await attack.askProxy(attack.connectHead(text))
        said = answer.reason
        return answer
      }
      guard attack.target.features.contains(.reasons), let said, !reasons.contains(said) else { return verdict }
      return .broken("refused as \(said)")
    }
  }

  /// Host fields of requests in a tunnel to the allowed name.
  private static let hosts = [
    ("other", ["host: OTHER"], "name_mismatch"), ("denied", ["host: evil.invalid"], "name_mismatch"),
    ("without-port", ["host: NAME"], "name_mismatch"), ("other-port", ["host: NAME:1"], "name_mismatch"),
    ("none", [], "malformed_request"), ("empty", ["host:"], "malformed_request"),
    ("twice", ["host: NAME:PORT", "host: NAME:PORT"], "malformed_request"),
    ("twice-other", ["host: NAME:PORT", "Host: OTHER"], "malformed_request"),
    ("list", ["host: NAME:PORT, OTHER"], "malformed_request"), ("space-before-colon", ["host : NAME:PORT"], "malformed_request"),
    ("folded", ["host: NAME:PORT", " OTHER"], "malformed_request"), ("user", ["host: OTHER@NAME:PORT"], "malformed_request"),
    ("path", ["host: NAME:PORT/x"], "malformed_request"), ("scheme", ["host: https://NAME:PORT"], "malformed_request"),
    ("empty-port", ["host: NAME:"], "malformed_request"), ("tabbed-list", ["host: NAME:PORT\tOTHER"], "malformed_request"),
    ("underscore-name", ["host: NAME:PORT", "ho\u{ff53}t: OTHER"], "malformed_request"),
    ("high-bytes", ["host: NAME:PORT\u{85}"], "malformed_request"),
  ].map { name, fields, reason in
    EgressCase(.names, "host-\(name)", "The Host field names the tunnel's authority in every request, or nothing is sent.") { attack in
      let lines = fields.map { field in
        field.replacing("NAME:PORT", with: attack.authority()).replacing("NAME", with: attack.allowed)
          .replacing("OTHER", with: attack.authority(attack.other)) + "\r\n"
      }
      let text = "GET \(attack.path) HTTP/1.1\r\n" + lines.joined() + "\r\n"
      return attack.refused(try await attack.ask(text), reason, "malformed_request", "name_mismatch")
    }
  }

  private static let serverNames = [("other", "other.test"), ("denied", "evil.invalid"), ("sub", "sub.allowed.test")].map { label, name in
    EgressCase(.names, "sni-\(label)", "The TLS server name is the tunnel's authority, or no certificate is shown.") { attack in
      do {
        let wire = try await attack.tunnel(serverName: name)
        try await wire.send(attack.request())
        let answer = try await wire.answer()
        return answer.status < 400 ? .broken("answered \(answer.status)") : attack.refused(answer, "name_mismatch")
      } catch  where Attack.isEnd(error) { return attack.arrived.isEmpty ? .held : .broken("reached the upstream") }
    }
  }

  /// Requests to the proxy in clear.
  private static let plain = [
    ("origin-form", "PATH", "NAME", "malformed_request"), ("host-differs", "http://NAMEPATH", "OTHER", "name_mismatch"),
    ("https", "https://NAMEPATH", "NAME", "malformed_request"), ("ftp", "ftp://NAMEPATH", "NAME", "malformed_request"),
    ("user", "http://u:p@NAMEPATH", "NAME", "malformed_request"),
    ("user-decoy", "http://NAME@evil.invalidPATH", "NAME", "malformed_request"),
    ("backslash", "http://NAME\\@evil.invalidPATH", "NAME", "malformed_request"),
    ("fragment", "http://evil.invalid#@NAMEPATH", "evil.invalid", "malformed_request"),
    ("denied", "http://evil.invalidPATH", "evil.invalid", "host_not_allowed"), ("one-slash", "http:/NAMEPATH", "NAME", "malformed_request"),
    ("three-slashes", "http:///NAMEPATH", "NAME", "malformed_request"), ("no-scheme", "//NAMEPATH", "NAME", "malformed_request"),
    ("query-decoy", "http://evil.invalid?@NAMEPATH", "evil.invalid", "host_not_allowed"), ("star", "*", "NAME", "malformed_request"),
    ("upper-scheme-decoy", "HTTPS://NAMEPATH", "NAME", "malformed_request"), ("file", "file:///etc/passwd", "NAME", "malformed_request"),
  ].map { name, target, host, reason in
    EgressCase(.names, "plain-\(name)", "A request in clear names one whole http URL that its Host agrees with.", isSafe: true) { attack in
      let known = "\(attack.allowed):\(UpstreamPort.http)"
      let text = attack.plain(
        target.replacing("NAME", with: known).replacing("PATH", with: attack.path),
        host: host.replacing("NAME", with: known).replacing("OTHER", with: attack.authority(attack.other)))
      return attack.refused(
        try await attack.askProxy(text), reason, "malformed_request", "scheme_not_allowed", "name_mismatch", "host_not_allowed",
        mayRestate: true)
    }
  }

  private static let twoOnOneTunnel = EgressCase(
    .names, "second-request", "A right request opens no way for the next one on the same tunnel."
  ) { attack in
    let wire = try await attack.tunnel()
    try await wire.send(attack.request())
    guard try await wire.answer().status == 200 else { return .broken("the first request was refused") }
    try await wire.send(attack.request(attack.path + "/second", host: attack.authority(attack.other)))
    let answer = await attack.note(try await wire.answer())
    guard attack.arrived.count == 1 else { return .broken("the second reached the upstream") }
    return answer.status >= 400 ? .held : .broken("the second was answered \(answer.status)")
  }

  private static let spellings = EgressCase(
    .names, "same-name", "Other spellings of an allowed name are that name, and travel on in its canonical form."
  ) { attack in
    let (wire, answer) = try await attack.connect("\(attack.allowed.uppercased()).:\(UpstreamPort.https)")
    guard answer.status == 200 else { return .broken("answered \(answer.status)") }
    try await wire.startTLS(attack.tls, name: attack.allowed)
    try await wire.send(attack.request(host: attack.authority(attack.allowed.uppercased())))
    let inner = try await wire.answer()
    guard inner.status == 200 else { return .broken("the request was answered \(inner.status) \(inner.reason ?? "")") }
    return attack.arrived.first?.values("host") == [attack.authority()]
      ? .held : .broken("the Host is \(attack.arrived.first?.values("host") ?? [])")
  }

  private static let ports = EgressCase(.names, "other-port", "A port that no rule names is refused.", isSafe: true) { attack in
    attack.refused(try await attack.connect("\(attack.allowed):1").answer, "port_not_allowed", "host_not_allowed")
  }
}
