package import PalanaAPI
package import PalanaCore

/// The engine-neutral desired state of one agent: what a renderer turns into an OCI runtime spec and firewall state, or into
/// Kubernetes objects. Made by a pure function; holds no secret.
package struct AgentPlan: Codable, Hashable, Sendable {
  /// What the agent's files are.
  package enum RootFS: Codable, Hashable, Sendable {
    /// The machine's own `/usr`, read-only and curated.
    case host
    /// An OCI image: `oci-archive:PATH`, `oci:PATH[:TAG]` or a registry reference.
    case image(String)
  }

  package struct Process: Codable, Hashable, Sendable {
    /// Empty: the image's own entry point and command.
    package var args: [String]
    package var workingDirectory: String
    /// Platform variables win over the agent's, the agent's over the template's.
    package var env: [String: String]
    package init(args: [String], workingDirectory: String, env: [String: String]) {
      self.args = args
      self.workingDirectory = workingDirectory
      self.env = env
    }
  }

  package struct Limits: Codable, Hashable, Sendable {
    package var cpuMilli: Int64
    package var memoryBytes: Int64
    package var pids: Int
    package var storageBytes: Int64
    package init(cpuMilli: Int64, memoryBytes: Int64, pids: Int, storageBytes: Int64) {
      self.cpuMilli = cpuMilli
      self.memoryBytes = memoryBytes
      self.pids = pids
      self.storageBytes = storageBytes
    }
  }

  package struct Network: Codable, Hashable, Sendable {
    /// The agent's own address, one of the subnet.
    package var address: IPAddress
    /// The gateway's address, the only thing it may talk to.
    package var gateway: IPAddress
    /// TCP ports of the gateway's address that it may reach.
    package var gatewayPorts: [Int]
    /// Prefix length of the subnet.
    package var prefix: Int
    package init(address: IPAddress, gateway: IPAddress, gatewayPorts: [Int], prefix: Int) {
      self.address = address
      self.gateway = gateway
      self.gatewayPorts = gatewayPorts
      self.prefix = prefix
    }
  }

  /// Where an agent stands on one machine.
  package struct Machine: Codable, Hashable, Sendable {
    package var network: Network
    /// First host uid and gid of the 65,536 that the sandbox's user namespace maps.
    package var idBase: UInt32
    package init(network: Network, idBase: UInt32) {
      self.network = network
      self.idBase = idBase
    }
  }

  package var id: AgentID
  package var name: ResourceName
  package var owner: UserIdentity
  package var uid: String
  package var rootfs: RootFS
  package var process: Process
  package var limits: Limits
  /// Nil in a cluster, which gives addresses and identities itself.
  package var machine: Machine?
  package var restart: AgentLifecycle.Restart
  /// Seconds between TERM and KILL.
  package var graceSeconds: Int
  /// Names of the agent-readable secrets whose keys become files `/run/secrets/NAME` (one key) or `/run/secrets/NAME/KEY`.
  package var readableSecrets: [String]
  package var requires: [RequiredProgram]
  package var ports: [AgentPort]

  package init(
    id: AgentID, name: ResourceName, owner: UserIdentity, uid: String, rootfs: RootFS, process: Process,
    limits: Limits, machine: Machine?, restart: AgentLifecycle.Restart, graceSeconds: Int,
    readableSecrets: [String], requires: [RequiredProgram], ports: [AgentPort]
  ) {
    self.id = id
    self.name = name
    self.owner = owner
    self.uid = uid
    self.rootfs = rootfs
    self.process = process
    self.limits = limits
    self.machine = machine
    self.restart = restart
    self.graceSeconds = graceSeconds
    self.readableSecrets = readableSecrets
    self.requires = requires
    self.ports = ports
  }

  /// Where it stands on this machine.
  /// - Throws: ``PalanaError`` with code `invalid` for a plan of a cluster.
  package var placed: Machine {
    get throws(PalanaError) {
      guard let machine else { throw PalanaError(.invalid, "agent ‘\(name)’ was planned without a place on a machine") }
      return machine
    }
  }
}
