import PalanaCore

/// Where the runtime keeps what, below the installation's folder.
struct SandboxPaths: Sendable {
  let home: String
  let runtimeDirectory: String

  init(_ configuration: SandboxConfiguration) {
    home = configuration.home
    runtimeDirectory = configuration.runtimeDirectory
  }

  var agents: String { home + "/agents" }
  var data: String { home + "/data" }
  var images: String { home + "/images" }
  var shared: String { home + "/sandbox" }
  /// The static programs that every sandbox sees.
  var tools: String { shared + "/tools" }
  /// An empty folder; each running command mounts its own scratch there, in its own mount namespace.
  var exec: String { shared + "/exec" }
  /// crun's state of running sandboxes.
  var crunRoot: String { runtimeDirectory + "/crun" }

  func agent(_ id: AgentID) -> String { "\(agents)/\(id)" }
  /// An empty folder; the shim mounts the sandbox's specification, secrets and files there, in its own mount namespace.
  func bundle(_ id: AgentID) -> String { agent(id) + "/bundle" }
  func logs(_ id: AgentID) -> String { agent(id) + "/logs" }
  func logs(_ id: AgentID, run: Int) -> String { "\(logs(id))/\(run)" }
  func dataImage(_ id: AgentID) -> String { "\(data)/\(id).ext4" }
}
