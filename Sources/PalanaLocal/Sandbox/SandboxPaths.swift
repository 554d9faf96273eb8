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

  /// An empty folder; each shim mounts its sandbox's root, specification, secrets and files there, in its own mount
  /// namespace.
  var bundle: String { runtimeDirectory + "/bundle" }

  func agent(_ id: AgentID) -> String { "\(agents)/\(id)" }
  func logs(_ id: AgentID) -> String { agent(id) + "/logs" }
  func logs(_ id: AgentID, run: Int) -> String { "\(logs(id))/\(run)" }
  func dataImage(_ id: AgentID) -> String { "\(data)/\(id).ext4" }
}
