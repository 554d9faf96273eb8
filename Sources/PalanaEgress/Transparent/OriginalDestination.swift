import Glibc
import NIOCore
import PalanaCore

/// Where a redirected connection was to go: the machine's connection tracker knows, and no agent can change what it says.
enum OriginalDestination {
  struct Endpoint: Hashable, Sendable {
    var address: IPAddress
    var port: UInt16
  }

  typealias Lookup = @Sendable (any Channel) -> EventLoopFuture<Endpoint>

  /// `SO_ORIGINAL_DST` of `linux/netfilter_ipv4.h`. Complete at once on the channel's event loop; fails for a connection that the tracker
  /// does not know.
  static let ask: Lookup = { channel in
    guard let options = channel as? any SocketOptionProvider else {
      return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }
    let answer: EventLoopFuture<sockaddr_in> = options.unsafeGetSocketOption(level: .ip, name: .init(rawValue: 80))
    return answer.flatMapThrowing { found in
      guard found.sin_family == sa_family_t(AF_INET) else { throw ChannelError.operationUnsupported }
      return Endpoint(
        address: .v4(UInt32(bigEndian: found.sin_addr.s_addr)), port: UInt16(bigEndian: found.sin_port))
    }
  }
}
