import Glibc
package import NIOCore
package import PalanaCore

/// Who is at the other end of a Unix socket: what the kernel noted when it connected (`SO_PEERCRED`, unix(7)).
///
/// The fields have the order and size of `struct ucred`, since the kernel fills them in place.
package struct PeerCredentials: Hashable, Sendable {
  package var processID: Int32
  package var userID: UInt32
  package var groupID: UInt32

  package init(processID: Int32, userID: UInt32, groupID: UInt32) {
    self.processID = processID
    self.userID = userID
    self.groupID = groupID
  }

  /// Asks the kernel about the peer of a connection. May be called on any thread.
  ///
  /// - Returns: a future that fails when the channel is not a connected Unix socket.
  package static func future(of channel: any Channel) -> EventLoopFuture<PeerCredentials> {
    guard let provider = channel as? any SocketOptionProvider else {
      return channel.eventLoop.makeFailedFuture(unavailable)
    }
    return provider.unsafeGetSocketOption(
      level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
  }

  /// - Throws: ``PalanaError`` with code `denied`: without credentials nobody is let in.
  package static func of(_ channel: any Channel) async throws(PalanaError) -> PeerCredentials {
    do {
      let credentials = try await future(of: channel).get()
      // What the kernel answers for a socket that nobody connected. The process may be 0: one outside our namespace.
      guard credentials.userID != .max else { throw unavailable }
      return credentials
    } catch {
      throw unavailable
    }
  }

  private static var unavailable: PalanaError {
    PalanaError(.denied, "the kernel does not say who is at the other end of this connection")
  }
}
