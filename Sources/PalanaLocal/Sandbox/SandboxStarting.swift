import CLinux
import Logging
package import PalanaCore
import PalanaPlan

extension SandboxRuntime {
  /// Starts a sandbox and returns when its first process runs.
  /// - Parameter progress: what is being done when it takes long (an image being fetched), one sentence each.
  /// - Throws: `conflict`: it runs already; `invalid`, `notFound`, `unreachable`: the image; `failed`: the rest, with
  ///   the reason.
  package func start(
    _ request: SandboxStart, progress: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws(PalanaError) -> RunningSandbox {
    let machine = try machine()
    let id = request.plan.id
    try table.claim(id)
    defer { table.release(id) }
    let image: ImageStore.Unpacked? =
      switch request.plan.rootfs {
      case .host: nil
      case .image(let reference): try await images.ensure(reference, progress: progress)
      }
    try await AgentStorage.ensure(paths.dataImage(id), bytes: request.plan.limits.storageBytes)
    let recipe = SandboxRecipe(
      request: request, machine: machine, paths: paths, image: image, cgroup: controlGroup(id).name,
      logFileBytes: configuration.logFileBytes, logFiles: configuration.logFiles)
    let job = try await SystemCall.blocking { [paths] () throws(PalanaError) in
      let run = try Self.makeFolders(paths, id, image: image)
      return try recipe.job(run: run)
    }
    try await clearRemains(of: id, machine)
    try await launch(job, machine)
    guard let started = StatusFiles.started(paths.agent(id)) else {
      throw PalanaError(.failed, "the sandbox of \(id) started and left no trace")
    }
    return try adopt(id, started)
  }

  /// The folders of a new run; the logs of the one before stay, older ones go. Blocking.
  private static func makeFolders(
    _ paths: SandboxPaths, _ id: AgentID, image: ImageStore.Unpacked?
  ) throws(PalanaError) -> Int {
    try Files.makeFolder(paths.agent(id))
    let runs = Files.names(in: paths.logs(id)).compactMap { Int($0) }.sorted()
    let run = max(runs.last ?? 0, StatusFiles.started(paths.agent(id))?.run ?? 0) + 1
    for old in runs.dropLast() { try Files.remove(paths.logs(id, run: old)) }
    try Files.makeFolder(paths.logs(id, run: run))
    // Read when images are pruned.
    try Files.write(Array((image?.digest ?? "").utf8), to: paths.agent(id) + "/image")
    return run
  }

  /// A shim that was killed could not tell crun that its sandbox is gone.
  private func clearRemains(of id: AgentID, _ machine: Machine) async throws(PalanaError) {
    guard Files.exists("\(paths.crunRoot)/\(id)") else { return }
    let helper = try await Program.run(
      machine.crun, ["--root", paths.crunRoot, "--cgroup-manager=cgroupfs", "delete", "--force", id.text])
    if !helper.succeeded {
      logger.warning(
        "crun could not remove what was left of a sandbox",
        metadata: ["agent.id": "\(id)", "error": "\(helper.error)"])
      try Files.remove("\(paths.crunRoot)/\(id)")
    }
  }

  private func launch(_ job: ShimJob, _ machine: Machine) async throws(PalanaError) {
    // A task of its own, awaited: a caller that gives up in the middle must not leave a sandbox that nobody has in a
    // table.
    let result = await Task { () async -> Result<Program.Output, PalanaError> in
      do throws(PalanaError) {
        return .success(try await Program.run(machine.shim, ["run"], input: job.bytes))
      } catch { return .failure(error) }
    }.value
    let output = try result.get()
    let answer = String(decoding: output.out, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
    guard output.succeeded, answer == "ok" else {
      let sentence =
        answer.hasPrefix("error ") ? String(answer.dropFirst(6)) : "the shim gave no answer \(output.error)"
      throw sentence.hasPrefix("conflict: ")
        ? PalanaError(.conflict, String(sentence.dropFirst(10)))
        : PalanaError(.failed, "the sandbox did not start: \(sentence)")
    }
  }

  /// Whether a process holds the lock of a state folder. Without one there is nobody.
  func lockIsHeld(_ path: String) -> Bool { unsafe clsandbox_lock_is_free(path) == 0 }

  /// Removes the folder and logs of a sandbox that does not run; with `purge` also its `/data`. Nothing there is no
  /// error.
  /// - Throws: `conflict` when it runs.
  package func remove(_ id: AgentID, purge: Bool) async throws(PalanaError) {
    let machine = try machine()
    try table.claim(id)
    do throws(PalanaError) {
      try await clearRemains(of: id, machine)
      let group = controlGroup(id)
      try await SystemCall.blocking { [paths] () throws(PalanaError) in
        group.removeEmpty()
        try Files.remove(paths.agent(id))
        if purge { try Files.remove(paths.dataImage(id)) }
      }
    } catch {
      table.release(id)
      throw error
    }
    table.setAbsent(id)
  }

  /// Removes images that no reference in `keeping` names and no agent's last run used.
  /// - Returns: the digests that were removed.
  @discardableResult
  package func pruneImages(keeping references: Set<String>) async throws(PalanaError) -> [String] {
    let used = try await SystemCall.blocking { [paths] () throws(PalanaError) in
      Set(
        Files.names(in: paths.agents).compactMap { name in
          Files.read("\(paths.agents)/\(name)/image").map { String(decoding: $0, as: UTF8.self) }
        })
    }
    return try await images.prune(keeping: references, inUse: used)
  }
}
