package import PalanaCore
package import PalanaPlan

/// What it takes to start a sandbox besides its plan.
package struct SandboxStart: Sendable {
  package var plan: AgentPlan
  package var platform: PlatformFacts
  /// The second factor of the agent's identity at the gateway.
  package var proxyToken: Redacted<String>
  /// Path of the prepared network namespace.
  package var networkNamespace: String
  /// Agent-readable secrets: `NAME` or `NAME/KEY` below `/run/secrets` → contents. They never touch a disk.
  package var secretFiles: [String: Redacted<[UInt8]>]

  package init(
    plan: AgentPlan, platform: PlatformFacts, proxyToken: Redacted<String>, networkNamespace: String,
    secretFiles: [String: Redacted<[UInt8]>] = [:]
  ) {
    self.plan = plan
    self.platform = platform
    self.proxyToken = proxyToken
    self.networkNamespace = networkNamespace
    self.secretFiles = secretFiles
  }
}

/// A sandbox that runs.
package struct RunningSandbox: Codable, Hashable, Sendable {
  package var id: AgentID
  /// Counts the starts of this agent, from 1.
  package var run: Int
  /// Process 1 of the sandbox, as the machine sees it.
  package var pid: Int32
  /// The process that keeps it.
  package var shim: Int32
  package var startedAt: Timestamp
}

/// How a run ended.
package struct SandboxExit: Codable, Hashable, Sendable {
  package enum Reason: String, Codable, Sendable {
    /// Code 0.
    case completed = "Completed"
    /// Another code.
    case error = "Error"
    /// The kernel killed its main process for memory.
    case oomKilled = "OOMKilled"
    /// A signal ended it.
    case signaled = "Signaled"
    /// Its keeper or the machine went away with it; how it ended is unknown.
    case lost = "Lost"
  }

  package var id: AgentID
  package var run: Int
  /// The exit code, or 128 plus the signal.
  package var code: Int32
  package var signal: Int32?
  package var reason: Reason
  /// Processes of this run that the kernel killed for memory, the main one or others.
  package var oomKills: Int
  /// Processor time of the whole run.
  package var cpuSeconds: Double
  /// The most memory that the run held at once, page cache included.
  package var memoryPeakBytes: Int64
  package var startedAt: Timestamp
  package var time: Timestamp

  package init(
    id: AgentID, run: Int, code: Int32, signal: Int32?, reason: Reason, oomKills: Int, cpuSeconds: Double = 0,
    memoryPeakBytes: Int64 = 0, startedAt: Timestamp, time: Timestamp
  ) {
    self.id = id
    self.run = run
    self.code = code
    self.signal = signal
    self.reason = reason
    self.oomKills = oomKills
    self.cpuSeconds = cpuSeconds
    self.memoryPeakBytes = memoryPeakBytes
    self.startedAt = startedAt
    self.time = time
  }
}

/// What is known of an agent's sandbox.
package enum SandboxState: Hashable, Sendable {
  /// Never started, or removed.
  case absent
  case running(RunningSandbox)
  case exited(SandboxExit)
}

/// What a sandbox uses now.
package struct SandboxUsage: Codable, Hashable, Sendable {
  /// Without the page cache that the kernel can drop at once.
  package var memoryBytes: Int64
  /// Processor time of this run, seconds.
  package var cpuSeconds: Double
  package var pids: Int
  package var oomKills: Int
  /// Bytes taken and bytes in all of `/data`.
  package var dataBytes: Int64
  package var dataCapacity: Int64
}
