import FoundationEssentials
import PalanaCore

/// What is said to the gateway's proxy port, with the agent's proof.
struct ProxySpeaker {
  let job: AttackJob
  let proof: String

  init(_ job: AttackJob) {
    self.job = job
    proof = "proxy-authorization: \(Self.basic(job.agent, job.token.reveal()))\r\n"
  }

  static func basic(_ user: String, _ password: String) -> String {
    "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
  }

  var proxy: Endpoint { Endpoint(job.gateway, job.proxyPort) }

  func stream(_ bytes: [UInt8], ends: Bool = false) -> Probe { .stream(proxy, bytes, ends: ends) }
  func stream(_ text: String, ends: Bool = false) -> Probe { stream(Array(text.utf8), ends: ends) }

  func connect(_ authority: String, host: String? = nil, _ fields: String = "") -> String {
    "CONNECT \(authority) HTTP/1.1\r\nhost: \(host ?? authority)\r\n\(proof)\(fields)\r\n"
  }

  /// A request in clear. It has a path of its own run, so that it is told from the agent's own.
  func plain(_ target: String, host: String, method: String = "GET", _ fields: String = "") -> String {
    "\(method) \(target) HTTP/1.1\r\nhost: \(host)\r\n\(proof)\(fields)\r\n"
  }

  /// The path of the requests of this run.
  var path: String { "/palana-attack/\(job.run)" }

  /// What would be a request of its own to whoever cuts the message before it short.
  var follower: String { plain("http://\(job.name)\(path)/follower", host: job.name) }
}
