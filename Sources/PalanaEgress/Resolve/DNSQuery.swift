import CResolve
import PalanaCore

/// One question to the name servers, on a thread that may block.
struct DNSQuery: Sendable {
  let servers: [EgressGatewayConfiguration.NameServer]
  /// Seconds for one server and one attempt.
  let timeoutSeconds: Int

  struct Answer: Sendable, Hashable {
    var addresses: [IPAddress]
    /// Seconds.
    var ttl: UInt32
  }

  /// At most this many addresses of one family are looked at.
  private static let most = 32

  /// Asks for both families. A family that fails does not hide the other one.
  ///
  /// - Throws: ``ResolveError``.
  func callAsFunction(_ name: String) throws(ResolveError) -> Answer {
    let four = Result { () throws(ResolveError) in try ask(name, family: 4) }
    if case .failure(.noSuchName) = four { throw .noSuchName }
    let six = Result { () throws(ResolveError) in try ask(name, family: 6) }
    switch (four, six) {
    case (.success(let a), .success(let b)):
      let parts = [a, b].filter { !$0.addresses.isEmpty }
      guard !parts.isEmpty else { throw .noAddress }
      return Answer(addresses: a.addresses + b.addresses, ttl: parts.map(\.ttl).min() ?? 0)
    case (.success(let found), .failure), (.failure, .success(let found)):
      guard !found.addresses.isEmpty else { throw .noAnswer }
      return found
    case (.failure(let error), .failure): throw error
    }
  }

  private func ask(_ name: String, family: Int32) throws(ResolveError) -> Answer {
    let list = servers.prefix(3).map { server in
      var entry = palana_dns_server()
      let bytes = server.address.networkBytes
      entry.family = bytes.count == 4 ? 4 : 6
      entry.port = server.port
      unsafe withUnsafeMutableBytes(of: &entry.bytes) { unsafe $0.copyBytes(from: bytes) }
      return entry
    }
    var reply = palana_dns_reply()
    var found = [palana_dns_address](repeating: palana_dns_address(), count: Self.most)
    let result = unsafe palana_dns_query(
      list, list.count, name, family, Int32(timeoutSeconds), 2, &found, found.count, &reply)
    switch Int(result) {
    case PALANA_DNS_ANSWERED:
      let width = family == 4 ? 4 : 16
      let addresses = found.prefix(reply.count).compactMap { address in
        var address = address
        return unsafe withUnsafeBytes(of: &address.bytes) { IPAddress(networkBytes: unsafe Array($0.prefix(width))) }
      }
      return Answer(addresses: addresses, ttl: reply.ttl)
    case PALANA_DNS_NO_NAME: throw .noSuchName
    default: throw .noAnswer
    }
  }
}

/// Why a name has no address.
enum ResolveError: Error, Hashable, Sendable {
  case noSuchName
  /// The name exists, without an address.
  case noAddress
  /// No name server answered usefully in time.
  case noAnswer
  /// Too many names are being resolved at this moment.
  case busy

  /// For people; repeats nothing that was sent.
  var explanation: String {
    switch self {
    case .noSuchName: "the name does not exist"
    case .noAddress: "the name has no address"
    case .noAnswer: "no name server answered"
    case .busy: "too many names are being resolved"
    }
  }
}
