import Glibc
import NIOPosix
package import PalanaCore

/// Names of local users by their number.
package struct UserNames: Sendable {
  private let lookUp: @Sendable (UInt32) async -> String?

  package init(_ lookUp: @escaping @Sendable (UInt32) async -> String?) { self.lookUp = lookUp }

  /// The user database of this machine (`getpwuid_r`, which may ask the network), off the event loops.
  package static let system = UserNames { userID in
    (try? await NIOThreadPool.singleton.runIfActive { name(of: userID) }) ?? nil
  }

  /// The raw identity of a local user: the name, or `uid:1234` for a number without one.
  ///
  /// A name cannot look like the numeric form: the user database separates its fields with colons.
  package func identity(of userID: UInt32) async throws(PalanaError) -> UserIdentity {
    if let name = await lookUp(userID), !name.contains(":"), let identity = try? UserIdentity(name) { return identity }
    return try UserIdentity("uid:\(userID)")
  }

  private static func name(of userID: UInt32) -> String? {
    var entry = unsafe passwd()
    var buffer = [CChar](repeating: 0, count: 16_384)
    return unsafe buffer.withUnsafeMutableBufferPointer { space -> String? in
      var found: UnsafeMutablePointer<passwd>?
      guard let start = space.baseAddress,
        unsafe getpwuid_r(userID, &entry, start, space.count, &found) == 0, unsafe found != nil,
        let name = unsafe entry.pw_name
      else { return nil }
      return unsafe String(validatingCString: name)
    }
  }
}
