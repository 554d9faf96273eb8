import Hummingbird
import NIOCore
import PalanaCore

/// What travels with one request.
struct ControlContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  /// The connection.
  let channel: any Channel
  /// Who is asking; nil on the few paths that are open to anyone.
  var caller: Caller?
  /// Whose audit trail is handed in; nil on every other path.
  var sender: AuditSender?

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }

  /// - Throws: ``PalanaError`` with code `denied` when nobody was authenticated: a route that was forgotten stays
  ///   closed.
  func requireCaller() throws(PalanaError) -> Caller {
    guard let caller else { throw PalanaError(.denied, "nobody is authenticated") }
    return caller
  }

  /// - Throws: ``PalanaError`` with code `notFound` where nothing is collected.
  func requireSender() throws(PalanaError) -> AuditSender {
    guard let sender else { throw PalanaError(.notFound, "no audit trails are collected here") }
    return sender
  }
}
