/// The part of the OCI runtime specification (1.0.2) that an agent's sandbox uses. Field names are the specification's.
package struct OCISpec: Codable, Hashable, Sendable {
  package var ociVersion = "1.0.2"
  package var process: OCIProcess
  package var root: Root
  package var hostname: String
  package var mounts: [Mount]
  package var annotations: [String: String]
  package var linux: OCILinux

  package struct Root: Codable, Hashable, Sendable {
    package var path: String
    package var readonly: Bool
  }

  package struct Mount: Codable, Hashable, Sendable {
    package var destination: String
    package var type: String
    package var source: String
    package var options: [String]
  }
}

/// What runs; also the whole of a `process.json` for `crun exec -p`.
package struct OCIProcess: Codable, Hashable, Sendable {
  package struct User: Codable, Hashable, Sendable {
    package var uid: UInt32
    package var gid: UInt32
    package init(uid: UInt32, gid: UInt32) {
      self.uid = uid
      self.gid = gid
    }
  }

  package struct ConsoleSize: Codable, Hashable, Sendable {
    package var height: Int
    package var width: Int
    package init(height: Int, width: Int) {
      self.height = height
      self.width = width
    }
  }

  /// Present and empty on purpose: absent sets would leave crun's defaults.
  package struct Capabilities: Codable, Hashable, Sendable {
    package var bounding: [String] = []
    package var effective: [String] = []
    package var inheritable: [String] = []
    package var permitted: [String] = []
    package var ambient: [String] = []
  }

  package struct Rlimit: Codable, Hashable, Sendable {
    package var type: String
    package var soft: UInt64
    package var hard: UInt64
  }

  package var terminal: Bool
  package var consoleSize: ConsoleSize?
  package var user: User
  package var args: [String]
  /// `NAME=VALUE`. Holds ``AgentEnvironment/proxyTokenMark``, never the token.
  package var env: [String]
  package var cwd: String
  package var capabilities = Capabilities()
  package var rlimits: [Rlimit]
  package var noNewPrivileges = true
  package var oomScoreAdj: Int?
}

/// Linux-specific part of the specification.
package struct OCILinux: Codable, Hashable, Sendable {
  package struct IDMapping: Codable, Hashable, Sendable {
    package var containerID: UInt32
    package var hostID: UInt32
    package var size: UInt32
  }

  package struct Namespace: Codable, Hashable, Sendable {
    package var type: String
    package var path: String?
  }

  package struct Resources: Codable, Hashable, Sendable {
    package struct Device: Codable, Hashable, Sendable {
      package var allow: Bool
      package var type: String?
      package var major: Int64?
      package var minor: Int64?
      package var access: String
    }

    package struct Memory: Codable, Hashable, Sendable {
      package var limit: Int64
      /// Memory and swap together; the same as `limit` means no swap. Absent where the kernel does not count swap.
      package var swap: Int64?
      /// Buffers of sockets, which version 1 of control groups counts apart from `limit`. Absent on version 2.
      package var kernelTCP: Int64?
    }

    package struct CPU: Codable, Hashable, Sendable {
      package var quota: Int64
      package var period: UInt64
    }

    package struct Pids: Codable, Hashable, Sendable {
      package var limit: Int64
    }

    package var devices: [Device]
    package var memory: Memory
    package var cpu: CPU
    package var pids: Pids
  }

  package var uidMappings: [IDMapping]
  package var gidMappings: [IDMapping]
  package var namespaces: [Namespace]
  package var cgroupsPath: String
  package var resources: Resources
  package var maskedPaths: [String]
  package var readonlyPaths: [String]
}
