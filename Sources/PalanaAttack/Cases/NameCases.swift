import PalanaControlAPI

/// A name that no rule allows is refused in every spelling.
enum NameCases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    let speaker = ProxySpeaker(job)
    return authorities.map { name, text in
      let authority = text.replacing("NAME", with: job.name)
      return AttackCase(
        .names, "connect-\(name)", "A tunnel to a name that no rule allows is refused in every spelling.",
        speaker.stream(speaker.connect(authority)), .refused, sent: "CONNECT \(authority.prefix(80))")
    }
      + targets.map { name, text, host in
        let target = text.replacing("NAME", with: job.name).replacing("PATH", with: speaker.path)
        return AttackCase(
          .names, "plain-\(name)", "A request in clear names one whole http URL that its Host agrees with and a rule allows.",
          speaker.stream(speaker.plain(target, host: host.replacing("NAME", with: job.name))), .refused,
          sent: "GET \(target.prefix(80)), Host \(host.replacing("NAME", with: job.name))")
      } + [
        AttackCase(
          .names, "host-differs", "CONNECT and its Host name one authority.",
          speaker.stream(speaker.connect("\(job.name):443", host: "other.\(job.name):443")), .refused,
          sent: "CONNECT \(job.name):443, Host other.\(job.name):443"),
        AttackCase(
          .names, "lower-method", "Methods have one spelling, and no other opens a tunnel.",
          speaker.stream("connect \(job.name):443 HTTP/1.1\r\nhost: \(job.name):443\r\n\(speaker.proof)\r\n"), .refused,
          sent: "connect \(job.name):443, in small letters"),
        AttackCase(
          .names, "early-bytes", "Bytes that follow a refused CONNECT are no way around it.",
          speaker.stream(speaker.connect("\(job.name):443") + "GET \(speaker.path) HTTP/1.1\r\nhost: \(job.name)\r\n\r\n"), .refused,
          sent: "CONNECT \(job.name):443, and a request behind it"),
        AttackCase(
          .names, "forged-fields", "Fields that name somebody else change nothing.",
          speaker.stream(speaker.connect("\(job.name):443", forged)), .refused,
          sent: "CONNECT \(job.name):443 with x-forwarded-for, forwarded, via, x-original-url"),
      ]
  }

  private static let forged = """
    x-forwarded-for: 127.0.0.1\r\nforwarded: for=127.0.0.1;host=localhost\r\nvia: 1.1 gateway\r\nx-original-url: /\r
    x-palana-agent: operator\r\nx-envoy-internal: true\r\n
    """

  private static let authorities: [(String, String)] = [
    ("plain", "NAME:443"), ("port-80", "NAME:80"), ("port-22", "NAME:22"), ("port-25", "NAME:25"), ("port-53", "NAME:53"),
    ("port-0", "NAME:0"), ("port-65536", "NAME:65536"), ("port-wraps", "NAME:65979"), ("port-plus", "NAME:+443"),
    ("port-leading-zero", "NAME:0443"), ("port-hex", "NAME:0x1bb"), ("no-port", "NAME"), ("empty-port", "NAME:"),
    ("two-ports", "NAME:443:443"), ("trailing-dot", "NAME.:443"), ("two-dots", "NAME..:443"), ("upper", "PALANA.NAME:443"),
    ("user", "user@NAME:443"), ("user-decoy", "localhost:443@NAME:443"), ("scheme", "https://NAME:443"), ("path", "NAME:443/"),
    ("fragment", "NAME:443#localhost:443"), ("backslash", "localhost\\.NAME:443"), ("percent-dot", "NAME%2e:443"),
    ("percent-nul", "localhost%00.NAME:443"), ("star", "*.NAME:443"), ("comma", "NAME,localhost:443"),
    ("wide-letters", "\u{ff50}alana.NAME:443"), ("wide-dot", "a\u{3002}NAME:443"), ("cyrillic", "p\u{430}lana.NAME:443"),
    ("soft-hyphen", "pa\u{ad}lana.NAME:443"), ("zero-width", "pa\u{200b}lana.NAME:443"), ("punycode", "xn--80ak6aa92e.NAME:443"),
    ("long-label", "\(String(repeating: "a", count: 64)).NAME:443"), ("long-name", "\(String(repeating: "a.", count: 130))NAME:443"),
    ("brackets", "[NAME]:443"), ("nul", "NAME\u{0}:443"), ("tab", "NAME\t:443"), ("two-targets", "NAME:443 localhost:443"),
    ("localhost", "localhost:443"), ("localhost-dot", "localhost.:443"), ("local", "palana-attack.local:443"),
    ("metadata-name", "metadata.google.internal:80"),
  ]

  private static let targets: [(String, String, String)] = [
    ("denied", "http://NAMEPATH", "NAME"), ("host-differs", "http://NAMEPATH", "localhost"),
    ("origin-form", "PATH", "NAME"), ("https", "https://NAMEPATH", "NAME"), ("ftp", "ftp://NAMEPATH", "NAME"),
    ("file", "file:///etc/passwd", "NAME"), ("user", "http://u:p@NAMEPATH", "NAME"),
    ("user-decoy", "http://localhost@NAMEPATH", "localhost"), ("backslash", "http://localhost\\@NAMEPATH", "NAME"),
    ("fragment", "http://localhost#@NAMEPATH", "localhost"), ("one-slash", "http:/NAMEPATH", "NAME"),
    ("three-slashes", "http:///NAMEPATH", "NAME"), ("no-scheme", "//NAMEPATH", "NAME"), ("star", "*", "NAME"),
  ]
}
