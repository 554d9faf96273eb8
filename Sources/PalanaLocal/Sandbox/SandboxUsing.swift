import Glibc
package import PalanaCore

extension SandboxRuntime {
  /// What a running sandbox uses now.
  /// - Throws: `notFound` when it does not run.
  package func usage(of id: AgentID) async throws(PalanaError) -> SandboxUsage {
    let missing = PalanaError(.notFound, "\(id) does not run")
    guard let live = table.live(id) else { throw missing }
    let group = controlGroup(id)
    let bundle = paths.bundle
    return try await SystemCall.blocking { () throws(PalanaError) in
      guard let usage = group.usage() else { throw missing }
      let data = AgentStorage.measure(shim: live.shim.pid, bundle: bundle)
      return SandboxUsage(
        memoryBytes: usage.memory, cpuSeconds: usage.cpuSeconds, pids: usage.pids, oomKills: usage.oomKills,
        dataBytes: data?.used ?? 0, dataCapacity: data?.capacity ?? 0)
    }
  }

  /// Bytes taken by `/data` of an agent, running or not; nil: it has none yet.
  package func dataBytes(of id: AgentID) async -> Int64? {
    let live = table.live(id)
    let paths = paths
    return try? await SystemCall.blocking { () throws(PalanaError) in
      if let live, let data = AgentStorage.measure(shim: live.shim.pid, bundle: paths.bundle) { return data.used }
      return AgentStorage.measure(paths.dataImage(id))?.used
    }
  }

  /// Replaces the agent-readable secrets of a running sandbox: each file changes at once as a whole, those that are not
  /// in `files` go.
  /// - Throws: `notFound` when it does not run, `invalid` for a bad name.
  package func updateSecrets(
    of id: AgentID, files: [String: Redacted<[UInt8]>]
  ) async throws(PalanaError) {
    guard let live = table.live(id) else { throw PalanaError(.notFound, "\(id) does not run") }
    for name in files.keys { try SecretFiles.check(name) }
    let bundle = paths.bundle
    try await SystemCall.blocking { () throws(PalanaError) in
      let folder = Files.open("/proc/\(live.shim.pid)/root\(bundle)/secrets", O_RDONLY | O_DIRECTORY)
      // Only now is it certain that the folder was that shim's: it still lives, so its number was its own.
      guard folder.number >= 0, live.shim.signal(0) else { throw PalanaError(.notFound, "\(id) does not run") }
      let base = "/proc/self/fd/\(folder.number)"
      // Any file of the agent's user tells its number: the storage belongs to it.
      var owner = stat()
      guard unsafe stat("/proc/\(live.shim.pid)/root\(bundle)/data", &owner) == 0 else {
        throw SystemCall.error(errno, "the agent's user cannot be found")
      }
      for (name, contents) in files {
        if let slash = name.firstIndex(of: "/") { try Files.makeFolder("\(base)/\(name[..<slash])", mode: 0o755) }
        try Files.write(contents.reveal(), to: "\(base)/\(name)", mode: 0o400, owner: owner.st_uid, group: owner.st_gid)
      }
      for name in Files.names(in: base) {
        let inside = Files.names(in: "\(base)/\(name)")
        for key in inside where files["\(name)/\(key)"] == nil { try Files.remove("\(base)/\(name)/\(key)") }
        let isWanted = files[name] != nil || files.keys.contains { $0.hasPrefix(name + "/") }
        if !isWanted { try Files.remove("\(base)/\(name)") }
      }
    }
  }
}
