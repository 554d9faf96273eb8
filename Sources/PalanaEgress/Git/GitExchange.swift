import NIOCore
import PalanaPolicy

/// What is known of a request of Git, beside what is known of every request.
final class GitExchange {
  let operation: GitOperation
  /// `version=2`, as the client asks for it; nil: version 0, or something that no client says.
  let version: String?
  /// The commands of a push, as far as they are read.
  var push = ReceivePackCommands()
  /// What a fetch asks for.
  var fetch = UploadPackRequest()
  /// The front of a push, until it is decided on and sent.
  var held: ByteBuffer?
  /// Why the push is refused, while the rest of it still comes.
  var refusal: Refusal?
  /// Bytes of a refused push so far.
  var thrownAway = 0

  /// Refs that are written down with their old and new ids.
  private static let mostRefs = 16

  init(_ operation: GitOperation, version: String?) {
    self.operation = operation
    self.version = ["version=0", "version=1", "version=2"].contains(version) ? version : nil
  }

  /// Whether the commands have to be read before the request may go on.
  var needsCommands: Bool { operation.service == .push && !operation.isDiscovery && !push.isDone }

  /// The action of the event.
  var action: String {
    if operation.isDiscovery { return UploadPackRequest.Action.list.rawValue }
    if operation.service == .push { return "push" }
    return (fetch.action ?? .fetch).rawValue
  }

  /// The facts of the event.
  func details(at authority: Authority?, scheme: EgressRequest.Scheme?) -> [String: String] {
    let host = authority.map { $0.hostText(for: scheme ?? .https) } ?? ""
    var details = ["repository": "\(host)/\(operation.repository)", "operation": operation.service.rawValue]
    details["protocol"] = version
    guard operation.service == .push, !operation.isDiscovery else { return details }
    details["refs"] = "\(push.commands.count)"
    for (index, command) in push.commands.prefix(Self.mostRefs).enumerated() {
      details["ref.\(index + 1)"] = "\(command.kind) \(command.old) \(command.new) \(command.ref)"
    }
    return details
  }
}
