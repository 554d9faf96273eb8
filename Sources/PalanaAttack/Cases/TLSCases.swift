import PalanaControlAPI

/// Where connections of agents are redirected, no hello is answered but one for a name that a rule allows.
enum TLSCases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    // An address of documentation (RFC 5737): where connections are not redirected, nobody is there.
    let beyond = Endpoint("192.0.2.7", 443)
    return hellos(job).map { name, words, bytes in
      AttackCase(
        .tls, name, "No certificate is shown for a name that no rule allows.", .stream(beyond, bytes, ends: true), .noHandshake,
        sent: "\(words) to \(beyond)", destination: beyond, needsTransparency: true)
    } + [
      AttackCase(
        .tls, "proxy-port", "The proxy's port speaks no TLS.",
        ProxySpeaker(job).stream(ClientHelloBytes.hello(ClientHelloBytes.usual + ClientHelloBytes.serverName(job.name)), ends: true),
        .noHandshake, sent: "a TLS hello to the proxy"),
      AttackCase(
        .tls, "tunnel-at-once", "TLS behind a refused CONNECT is not answered.",
        ProxySpeaker(job).stream(
          Array(ProxySpeaker(job).connect("\(job.name):443").utf8)
            + ClientHelloBytes.hello(ClientHelloBytes.usual + ClientHelloBytes.serverName(job.name)), ends: true), .refused,
        sent: "CONNECT \(job.name):443, and a TLS hello behind it"),
    ]
  }

  private static func hellos(_ job: AttackJob) -> [(String, String, [UInt8])] {
    typealias Hello = ClientHelloBytes
    let name = Hello.serverName(job.name)
    return [
      ("denied-name", "a hello for \(job.name)", Hello.hello(Hello.usual + name)),
      ("no-name", "a hello without a name", Hello.hello(Hello.usual)),
      ("address-as-name", "a hello for the name 192.0.2.7", Hello.hello(Hello.usual + Hello.serverName("192.0.2.7"))),
      ("localhost", "a hello for localhost", Hello.hello(Hello.usual + Hello.serverName("localhost"))),
      ("two-names", "a hello with two names", Hello.hello(Hello.usual + name + Hello.serverName("localhost"))),
      ("nul-in-name", "a hello with a NUL in its name", Hello.hello(Hello.usual + Hello.serverName("localhost\u{0}.\(job.name)"))),
      ("dot-name", "a hello for \(job.name).", Hello.hello(Hello.usual + Hello.serverName(job.name + "."))),
      ("empty-name", "a hello with an empty name", Hello.hello(Hello.usual + Hello.serverName(""))),
      ("wide-name", "a hello with letters outside ASCII", Hello.hello(Hello.usual + Hello.serverName("p\u{430}lana.invalid"))),
      ("unknown-name-type", "a hello with a name of type 7", Hello.hello(Hello.usual + Hello.serverName(Array(job.name.utf8), type: 7))),
      ("in-pieces", "a hello in records of 5 bytes", Hello.hello(Hello.usual + name, splitAt: 5)),
      ("tls-1.0", "a hello of TLS 1.0", Hello.hello(Hello.usual + name, version: 0x0301)),
      ("tls-1.1", "a hello of TLS 1.1", Hello.hello(Hello.usual + name, version: 0x0302)),
      ("ssl-3", "a hello of SSL 3", Hello.hello([], version: 0x0300)),
      ("ssl-2", "a hello of SSL 2", [0x80, 0x1c, 1, 0, 2, 0, 3, 0, 0, 0, 16, 1, 0, 0x80] + [UInt8](repeating: 7, count: 16)),
      (
        "hidden-name", "a hello with an encrypted name (ESNI, and ECH of noise)",
        Hello.hello(
          Hello.usual + Hello.extension(0xffce, [UInt8](repeating: 0xa5, count: 200))
            + Hello.extension(0xfe0d, [UInt8](repeating: 0x5a, count: 200)) + name)
      ),
      ("long", "a hello of 60,000 bytes", Hello.hello(Hello.extension(21, [UInt8](repeating: 0, count: 60_000)) + name, splitAt: 16_000)),
      ("cut", "half a hello", Array(Hello.hello(Hello.usual + name).prefix(60))),
    ]
  }
}
