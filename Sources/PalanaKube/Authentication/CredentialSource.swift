import PalanaCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Keeps the credential of one endpoint fresh. Whoever asks while it is made anew waits for the same one.
actor CredentialSource {
  private let authentication: KubeAuthentication
  private let clock: WallClock
  private var current: Credential?
  private var number: UInt64 = 0
  private var renewal: Task<Credential, any Error>?

  /// A token of a file is read again after this time, whatever stands in it.
  private static let fileLife = Duration.seconds(60)
  /// How long before its end a credential is made anew.
  private static let margin = Duration.seconds(10)

  init(_ authentication: KubeAuthentication, clock: WallClock) {
    self.authentication = authentication
    self.clock = clock
  }

  /// - Returns: the credential, and a number that changes with it.
  /// - Throws: ``KubeError`` of kind `unauthenticated`.
  func credential() async throws -> (Credential, UInt64) {
    if let current, current.expires.map({ clock.now() + Self.margin < $0 }) ?? true { return (current, number) }
    return try await renewed()
  }

  /// The server did not accept it.
  /// - Parameter seen: the number of the one that was refused.
  /// - Returns: nil when there is no other.
  func refused(_ seen: UInt64) async throws -> (Credential, UInt64)? {
    switch authentication {
    case .none, .certificate, .token, .basic: return nil
    case .tokenFile, .exec:
      if seen != number, let current { return (current, number) }
      let before = current
      current = nil
      let (next, number) = try await renewed()
      // The same token again would be refused again.
      if let old = before?.authorization, let new = next.authorization, old.matches(new) { return nil }
      return (next, number)
    }
  }

  private func renewed() async throws -> (Credential, UInt64) {
    let task: Task<Credential, any Error>
    if let renewal {
      task = renewal
    } else {
      // One for all that wait; that one of them is cancelled must not end it for the others. It ends by itself: files are small, and a
      // plugin has a time limit.
      task = Task { [authentication, clock] in try await Self.make(authentication, clock) }
      renewal = task
    }
    let result = await task.result
    if renewal == task { renewal = nil }
    let made = try result.get()
    if current == nil || current?.expires.map({ clock.now() + Self.margin >= $0 }) ?? false {
      current = made
      number += 1
    }
    return (made, number)
  }

  private static func make(_ authentication: KubeAuthentication, _ clock: WallClock) async throws -> Credential {
    switch authentication {
    case .none: return Credential()
    case .certificate(let chain, let key): return Credential(certificate: Credential.Certificate(chain: chain, key: key))
    case .token(let token): return .bearer(token)
    case .basic(let user, let password):
      return Credential(
        authorization: password.map { "Basic " + Data("\(user):\($0)".utf8).base64EncodedString() })
    case .tokenFile(let path):
      let bytes: Redacted<[UInt8]>
      do throws(PalanaError) {
        bytes = try await CredentialFile.read(path)
      } catch {
        throw KubeError(.unauthenticated, error.message)
      }
      let token = bytes.map { String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace } }
      guard !token.reveal().isEmpty else { throw KubeError(.unauthenticated, "the token file \(path) is empty") }
      return .bearer(token, expires: clock.now() + fileLife + margin)
    case .exec(let plugin): return try await plugin.credential()
    }
  }
}
