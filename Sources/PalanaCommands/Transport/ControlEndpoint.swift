import FoundationEssentials
import PalanaControlAPI
import PalanaCore

/// Where the control API is and as whom to speak to it.
struct ControlEndpoint: Sendable {
  /// The two ways to the API.
  enum Address: Hashable, Sendable {
    /// The socket of the installation on this machine; the server knows the caller by the kernel's word.
    case socket(path: String)
    /// A server elsewhere, for example `https://palana.example:7180`, without a slash at its end.
    case server(base: String)
  }

  let address: Address
  /// For servers; the socket needs none.
  let token: Redacted<String>?
  /// The only authorities that the server's certificate may chain to, PEM; nil: those of the system.
  let authorities: [UInt8]?
  /// Whom an operator acts for.
  let user: UserIdentity?

  /// Reads the global options.
  /// - Throws: ``PalanaError`` with code `invalid` for an unusable URL, user or token file, `denied` for a missing token.
  init(global: GlobalOptions, home: String, environment: [String: String]) throws {
    user = try global.user.map { try UserIdentity($0) }
    guard let server = global.server, !server.isEmpty else {
      let path = home + "/run/control.sock"
      // The kernel's bound for the name of a socket.
      guard path.utf8.count <= 107, !path.utf8.contains(0) else {
        throw PalanaError(
          .invalid, "the home ‘\(home.prefix(60))…’ is too long for a socket", hint: "use a shorter --home")
      }
      address = .socket(path: path)
      token = nil
      authorities = nil
      return
    }
    let base = try Self.base(of: server)
    address = .server(base: base)
    authorities = try global.caFile.map { try LocalFile.read($0, limit: 1 << 20) }
    token = try Self.token(file: global.tokenFile, environment: environment)
    try Self.refuseTokenInClear(base)
  }

  /// The URL of an operation.
  func url(_ operation: PalanaControlAPI.Operation, _ parameters: [String: String], _ query: [QueryItem]) -> String {
    let path = operation.route.path(parameters) + PercentEncoding.query(query)
    switch address {
    case .socket(let socket): return "http+unix://\(PercentEncoding.encode(socket))\(path)"
    case .server(let base): return base + path
    }
  }

  /// For messages: the socket's path or the server's URL.
  var description: String {
    switch address {
    case .socket(let path): path
    case .server(let base): base
    }
  }

  private static func base(of text: String) throws -> String {
    let trimmed = text.hasSuffix("/") ? String(text.dropLast()) : text
    guard let url = URL(string: trimmed), let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme),
      let host = url.host(), !host.isEmpty, url.user == nil, url.query == nil, url.fragment == nil, url.path.isEmpty
    else {
      throw PalanaError(
        .invalid, "‘\(text.prefix(120))’ is not the address of a control API",
        hint: "write for example --server https://palana.example:7180")
    }
    return trimmed
  }

  private static func token(file: String?, environment: [String: String]) throws -> Redacted<String> {
    if let file {
      let token = String(decoding: try LocalFile.read(file, limit: 16_384), as: UTF8.self).trimmingLineEnds()
      guard !token.isEmpty else { throw PalanaError(.invalid, "the token file \(file) is empty") }
      return Redacted(token)
    }
    guard let token = environment["PALANA_TOKEN"], !token.isEmpty else {
      throw PalanaError(
        .denied, "a server needs a token",
        hint: "set PALANA_TOKEN or give --token-file FILE (on the machine itself: HOME/control/token)")
    }
    return Redacted(token.trimmingLineEnds())
  }

  /// A token that crosses a network in clear text belongs to everybody on it.
  private static func refuseTokenInClear(_ base: String) throws {
    guard base.lowercased().hasPrefix("http://"), let host = URL(string: base)?.host() else { return }
    let name = String(host.drop { $0 == "[" }.prefix { $0 != "]" }).lowercased()
    let isLocal =
      switch IPAddress(name) {
      case .v4(let value): value >> 24 == 127
      case .v6(let high, let low): high == 0 && low == 1
      case nil: name == "localhost"
      }
    guard isLocal else {
      throw PalanaError(
        .denied, "the token would cross the network in clear text",
        hint: "use https://, or a tunnel: ssh -L 7180:127.0.0.1:7180 \(name), then --server http://127.0.0.1:7180")
    }
  }
}

/// One query parameter.
typealias QueryItem = (name: String, value: String)

extension String {
  /// Without the line ends behind it.
  func trimmingLineEnds() -> String {
    var scalars = unicodeScalars[...]
    while let last = scalars.last, last == "\n" || last == "\r" { scalars.removeLast() }
    return String(scalars)
  }
}
