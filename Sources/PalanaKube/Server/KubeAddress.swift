import AsyncHTTPClient
import PalanaCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The parts of an endpoint's address.
struct KubeAddress: Sendable {
  var isTLS: Bool
  var host: String
  var port: Int
  /// A path in front of everything, as some gateways have it.
  var path: String
  /// The name that the certificate has to be for.
  var name: String

  init(_ endpoint: KubeEndpoint) throws(PalanaError) {
    guard let url = URL(string: endpoint.url), let scheme = url.scheme?.lowercased(), scheme == "https" || scheme == "http",
      let host = url.host(percentEncoded: false), !host.isEmpty, url.user(percentEncoded: false) == nil,
      url.query(percentEncoded: true) == nil
    else { throw PalanaError(.invalid, "‘\(endpoint.url)’ is not the address of an API server") }
    isTLS = scheme == "https"
    self.host = host
    port = url.port ?? (isTLS ? 443 : 80)
    var path = url.path(percentEncoded: true)
    while path.hasSuffix("/") { path.removeLast() }
    self.path = path
    name = endpoint.serverName ?? host
  }

  /// Requests go to the name of the certificate, which is looked up as the host of the endpoint.
  var base: String { "\(isTLS ? "https" : "http")://\(authority)\(path)" }
  /// As the `Host` field has it.
  var authority: String { "\(name.contains(":") ? "[\(name)]" : name):\(port)" }
  var overrides: [String: String] { name == host ? [:] : [name: host] }

  func proxy(_ text: String?) throws(PalanaError) -> HTTPClient.Configuration.Proxy? {
    guard let text else { return nil }
    guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), let host = url.host(percentEncoded: false),
      url.user(percentEncoded: false) == nil
    else { throw PalanaError(.invalid, "‘\(text)’ is not the address of a proxy") }
    switch scheme {
    case "http": return .server(host: host, port: url.port ?? 80)
    case "socks5", "socks5h": return .socksServer(host: host, port: url.port ?? 1080)
    default: throw PalanaError(.invalid, "a proxy of ‘\(scheme)’ is not supported: http and socks5 are")
    }
  }
}
