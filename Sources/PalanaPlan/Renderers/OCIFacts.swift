/// What the OCI renderer must know of the machine: where the pieces of the sandbox stand. All paths are absolute host
/// paths as the sandbox's shim sees them, unless said otherwise.
package struct OCIFacts: Codable, Hashable, Sendable {
  /// One file or folder of the machine that appears in the sandbox, read-only.
  package struct Bind: Codable, Hashable, Sendable {
    package var source: String
    /// Path inside the sandbox.
    package var destination: String
    package init(source: String, destination: String) {
      self.source = source
      self.destination = destination
    }
  }

  /// The prepared root.
  package var rootfs: String
  /// The image's own configuration; nil for the machine's view.
  package var image: ImageConfiguration?
  /// Who the agent is inside: never 0.
  package var user: OCIProcess.User
  /// Folder that holds the static `palana-init`, which becomes process 1.
  package var initFolder: String
  /// The agent's mounted storage.
  package var data: String
  /// Folder with the agent-readable secrets.
  package var secrets: String
  /// Further read-only binds, in order.
  package var binds: [Bind]
  /// Folders inside the sandbox that are hidden behind empty ones.
  package var hidden: [String]
  /// Path of the prepared user namespace.
  package var userNamespace: String
  /// Path of the prepared network namespace.
  package var networkNamespace: String
  /// For example `palana/demo-1f0a93c27b`.
  package var cgroup: String
  /// Base64 of the compiled seccomp program.
  package var seccomp: String
  /// Whether the kernel counts swap for a group.
  package var swapAccounting: Bool
  /// Whether control groups count the buffers of sockets apart from other memory, as version 1 does.
  package var separateSocketMemory: Bool
  /// Most open files of one process.
  package var openFiles: UInt64

  package init(
    rootfs: String, image: ImageConfiguration?, user: OCIProcess.User, initFolder: String, data: String,
    secrets: String, binds: [Bind], hidden: [String], userNamespace: String, networkNamespace: String, cgroup: String, seccomp: String,
    swapAccounting: Bool, separateSocketMemory: Bool = false,
    openFiles: UInt64 = 65_536
  ) {
    self.rootfs = rootfs
    self.image = image
    self.user = user
    self.initFolder = initFolder
    self.data = data
    self.secrets = secrets
    self.binds = binds
    self.hidden = hidden
    self.userNamespace = userNamespace
    self.networkNamespace = networkNamespace
    self.cgroup = cgroup
    self.seccomp = seccomp
    self.swapAccounting = swapAccounting
    self.separateSocketMemory = separateSocketMemory
    self.openFiles = openFiles
  }
}

/// What an OCI image says about running it (the `config` object of its configuration).
package struct ImageConfiguration: Codable, Hashable, Sendable {
  package var entrypoint: [String]
  package var command: [String]
  /// `NAME=VALUE`.
  package var env: [String]
  package var workingDirectory: String
  /// As written: empty, `USER`, `UID`, `USER:GROUP`, `UID:GID`.
  package var user: String

  package init(
    entrypoint: [String] = [], command: [String] = [], env: [String] = [], workingDirectory: String = "",
    user: String = ""
  ) {
    self.entrypoint = entrypoint
    self.command = command
    self.env = env
    self.workingDirectory = workingDirectory
    self.user = user
  }
}
