import NIOCore
import NIOHTTP1
package import PalanaCore

/// What runs in a container, and which of its streams are wanted.
package struct ExecRequest: Sendable {
  package var command: [String]
  /// nil: the pod's only, or first, container.
  package var container: String?
  package var hasInput = false
  package var hasTerminal = false

  package init(_ command: [String], container: String? = nil, hasInput: Bool = false, hasTerminal: Bool = false) {
    self.command = command
    self.container = container
    self.hasInput = hasInput
    self.hasTerminal = hasTerminal
  }

  var items: [(String, String)] {
    var items = command.map { ("command", $0) }
    if let container { items.append(("container", container)) }
    items += [("stdin", "\(hasInput)"), ("stdout", "true"), ("stderr", "\(!hasTerminal)"), ("tty", "\(hasTerminal)")]
    return items
  }
}

extension KubeClient {
  private static var pods: KubeResource { KubeResource("", "v1", "pods", kind: "Pod") }

  /// What a container writes to its output.
  ///
  /// - Parameters:
  ///   - follow: goes on while it runs.
  ///   - tail: so many lines of what was written before; nil: all.
  ///   - since: nothing older; the server counts in whole seconds.
  ///   - previous: of the container before the present one.
  ///   - timestamps: each line begins with the time at which it came and a space.
  package func logs(
    _ pod: String, in namespace: String, container: String? = nil, follow: Bool = false, tail: Int? = nil, since: Timestamp? = nil,
    previous: Bool = false, timestamps: Bool = false
  ) async throws(KubeError) -> KubeBody {
    var items = [("follow", "\(follow)")]
    if let container { items.append(("container", container)) }
    if let tail { items.append(("tailLines", "\(tail)")) }
    if let since { items.append(("sinceTime", since.description)) }
    if previous { items.append(("previous", "true")) }
    if timestamps { items.append(("timestamps", "true")) }
    let path = try Self.pods.path(namespace: namespace, name: pod, subresource: "log")
    return try await server.stream(request(.GET, path + URLText.query(items)))
  }

  /// Runs a program in a container.
  ///
  /// - Parameter body: reads what it writes, to its end. When it returns or throws, the connection is closed. That ends a program that
  ///   has a terminal or reads its input; another one may go on, as with `kubectl exec`.
  /// - Throws: ``KubeError``, and what `body` throws.
  package func exec<Value: Sendable>(
    _ pod: String, in namespace: String, _ wanted: ExecRequest, _ body: (inout ExecSession) async throws -> Value
  ) async throws -> Value {
    let path = try Self.pods.path(namespace: namespace, name: pod, subresource: "exec") + URLText.query(wanted.items)
    let frames = try await ExecHandshake(server: server, impersonation: impersonation, path: path).open()
    return try await frames.executeThenClose { inbound, outbound in
      var session = ExecSession(inbound, outbound)
      return try await body(&session)
    }
  }
}
