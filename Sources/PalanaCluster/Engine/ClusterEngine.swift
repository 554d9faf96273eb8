import PalanaAPI
package import PalanaCore
import PalanaKube
import PalanaPlan

/// Reaches into agents that run as pods: logs, commands, files. Everything as the one who acts, so that the rights in the agent's namespace
/// decide.
package struct ClusterEngine: AgentEngine {
  static let pods = KubeResource("", "v1", "pods", kind: "Pod")
  /// The only pod of a StatefulSet of one.
  static let pod = KubernetesRenderer.Name.agent + "-0"
  static let container = KubernetesRenderer.Name.agent

  let client: KubeClient
  private let directory: ClusterDirectory
  private let stores: ClusterStores

  package init(_ stores: ClusterStores, for actor: ClusterActor) {
    client = stores.client.acting(actor)
    directory = stores.directory
    self.stores = stores
  }

  /// The namespace in which the agent runs.
  func namespace(of agent: AgentID) throws(PalanaError) -> String {
    guard let known = directory.agent(agent) else { throw PalanaError(.notFound, "there is no agent \(agent)") }
    return AgentNamespace.name(owner: known.owner, agent: known.name)
  }

  func exists(_ agent: AgentID) -> Bool { directory.agent(agent) != nil }

  /// The agent's pod; nil when there is none.
  func pod(in namespace: String) async throws(PalanaError) -> RunningPod? {
    do throws(KubeError) {
      return try await client.find(Self.pods, Self.pod, in: namespace).map(RunningPod.init)
    } catch {
      // The rights in a namespace come with it: before it was made there is nothing to run, and nothing to refuse.
      if error.kind == .forbidden, try await !stores.namespaces.isThere(namespace) { return nil }
      throw error.told("pod \(namespace)/\(Self.pod)")
    }
  }

  /// - Throws: ``PalanaError`` with code `conflict` unless the agent runs.
  func requireRunning(_ agent: AgentID) async throws(PalanaError) -> String {
    let namespace = try namespace(of: agent)
    guard let pod = try await pod(in: namespace), pod.isRunning else { throw PalanaError(.conflict, "\(agent) does not run") }
    return namespace
  }

  /// Looks at the pod once a second; its status is the only thing that says how a program ended.
  package func waitForExit(of agent: AgentID) async throws(PalanaError) -> Int32 {
    let namespace = try namespace(of: agent)
    var first: RunningPod?
    while true {
      guard let present = try await pod(in: namespace) else { throw PalanaError(.notFound, "\(agent) does not run") }
      if let code = present.exitCode { return code }
      if let known = first, let code = present.exitCode(after: known) { return code }
      first = first ?? present
      do { try await Task.sleep(for: .seconds(1)) } catch { throw PalanaError(.unreachable, "the wait was given up") }
    }
  }
}

/// What matters here of a pod's status.
struct RunningPod: Sendable {
  var uid: String
  var isRunning: Bool
  /// Counts the containers that ended before the present one.
  var restarts: Int
  /// Of the present container, when it has ended.
  var exitCode: Int32?
  private var lastExitCode: Int32?

  init(_ pod: KubeObject) {
    uid = pod.uid
    let statuses = pod["status"]?["containerStatuses"]?.array ?? []
    let container = statuses.first { $0["name"]?.string == ClusterEngine.container }
    isRunning = container?["state"]?["running"] != nil && !pod.isDeleting
    restarts = container?["restartCount"]?.int ?? 0
    exitCode = Self.code(container?["state"])
    lastExitCode = Self.code(container?["lastState"])
  }

  /// How the container that was seen as `known` ended, if another one has taken its place.
  func exitCode(after known: RunningPod) -> Int32? {
    uid == known.uid && restarts > known.restarts ? lastExitCode : nil
  }

  private static func code(_ state: JSONValue?) -> Int32? {
    state?["terminated"]?["exitCode"]?.int.flatMap { Int32(exactly: $0) }
  }
}
