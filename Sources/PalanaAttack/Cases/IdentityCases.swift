import PalanaControlAPI
import PalanaCore

/// Who asks is known from the network and the token; without the token, once and whole, nothing is decided.
enum IdentityCases {
  static func all(_ job: AttackJob) -> [AttackCase] {
    let right = ProxySpeaker.basic(job.agent, job.token.reveal())
    let cut = ProxySpeaker.basic(job.agent, String(job.token.reveal().dropLast(4)))
    let long = ProxySpeaker.basic(job.agent, job.token.reveal() + "0")
    let other = ProxySpeaker.basic("somebody-else", String(repeating: "0", count: 64))
    let proofs: [(String, String, String)] = [
      ("none", "without proof", ""), ("empty", "with an empty proof", "proxy-authorization:\r\n"),
      ("no-credentials", "with “Basic” alone", "proxy-authorization: Basic\r\n"),
      ("wrong", "with a wrong token", "proxy-authorization: \(other)\r\n"),
      ("prefix", "with a token that lacks its end", "proxy-authorization: \(cut)\r\n"),
      ("longer", "with a token that is one character longer", "proxy-authorization: \(long)\r\n"),
      ("bearer", "with the token as Bearer", "proxy-authorization: Bearer \(job.token.reveal())\r\n"),
      ("digest", "with Digest", "proxy-authorization: Digest username=\"\(job.agent)\"\r\n"),
      ("not-base64", "with a proof that is no Base64", "proxy-authorization: Basic ****\r\n"),
      ("no-colon", "with a proof without a colon", "proxy-authorization: Basic YWJj\r\n"),
      ("twice", "with the proof twice", "proxy-authorization: \(right)\r\nproxy-authorization: \(right)\r\n"),
      ("wrong-then-right", "with a wrong and the right proof", "proxy-authorization: \(other)\r\nproxy-authorization: \(right)\r\n"),
      ("list", "with two proofs in one field", "proxy-authorization: \(other), \(right)\r\n"),
      ("authorization-instead", "with the proof in Authorization", "authorization: \(right)\r\n"),
      ("x-field", "with the proof in a field of another name", "x-proxy-authorization: \(right)\r\n"),
      ("folded", "with a folded proof", "proxy-authorization:\r\n \(right)\r\n"),
    ]
    return proofs.flatMap { name, words, field in
      [
        AttackCase(
          .identity, "connect-\(name)", "Without the agent's token, once and whole, nothing is decided.",
          ProxySpeaker(job).stream("CONNECT \(job.name):443 HTTP/1.1\r\nhost: \(job.name):443\r\n\(field)\r\n"), .unproven,
          sent: "CONNECT \(job.name):443 \(words)")
      ]
    }
      + ["none", "wrong"].map { name in
        AttackCase(
          .identity, "plain-\(name)", "Without the agent's token nothing is decided, in clear either.",
          ProxySpeaker(job).stream(
            "GET http://\(job.name)/ HTTP/1.1\r\nhost: \(job.name)\r\n"
              + (name == "none" ? "" : "proxy-authorization: \(other)\r\n") + "\r\n"), .unproven,
          sent: "GET http://\(job.name)/ " + (name == "none" ? "without proof" : "with a wrong token"))
      }
  }
}
