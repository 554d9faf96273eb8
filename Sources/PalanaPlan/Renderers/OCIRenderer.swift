package import PalanaCore

/// A plan as an OCI runtime specification for crun. Pure; the same inputs give the same bytes.
package enum OCIRenderer {
  /// Where the static init stands inside every sandbox.
  package static let initPath = "/.palana/palana-init"
  /// Where a static busybox stands inside, if the machine has one.
  package static let toolboxPath = "/.palana/busybox"
  static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  /// - Throws: ``PalanaError`` with code `invalid` when neither the plan nor the image says what to run.
  package static func render(_ plan: AgentPlan, _ facts: OCIFacts) throws(PalanaError) -> OCISpec {
    let machine = try plan.placed
    return OCISpec(
      process: try process(plan, facts),
      root: OCISpec.Root(path: facts.rootfs, readonly: true),
      hostname: plan.name.text,
      mounts: OCIMounts.mounts(plan, facts),
      // crun takes the compiled program as it is, which saves it 25 ms a start against the JSON form.
      annotations: ["run.oci.seccomp_bpf_data": facts.seccomp],
      linux: OCILinux(plan, machine, facts))
  }

  private static func process(_ plan: AgentPlan, _ facts: OCIFacts) throws(PalanaError) -> OCIProcess {
    // A written command replaces the image's entry point and command, as in Kubernetes.
    let own = plan.process.args
    let args = own.isEmpty ? (facts.image.map { $0.entrypoint + $0.command } ?? []) : own
    guard let program = args.first, !program.isEmpty else {
      throw PalanaError(
        .invalid, "agent ‘\(plan.name)’ has no command and neither has its image", hint: "give the agent a command")
    }
    guard facts.user.uid != 0, facts.user.gid != 0 else {
      throw PalanaError(.invalid, "an agent never runs as user or group 0")
    }
    let imageDirectory = facts.image?.workingDirectory ?? ""
    let directory = [plan.process.workingDirectory, imageDirectory].first { $0.hasPrefix("/") }
    return OCIProcess(
      terminal: false, user: facts.user,
      // Process 1 ignores unhandled signals and must reap what is left behind: a tiny init stands there.
      args: [initPath, "--"] + args,
      env: environment(plan, facts), cwd: directory ?? AgentEnvironment.home,
      rlimits: [
        // No core files: a crash would otherwise write what it held in memory to lasting storage.
        OCIProcess.Rlimit(type: "RLIMIT_CORE", soft: 0, hard: 0),
        OCIProcess.Rlimit(type: "RLIMIT_NOFILE", soft: facts.openFiles, hard: facts.openFiles),
      ],
      // Before the platform's own processes, when the machine itself runs out of memory.
      oomScoreAdj: 500)
  }

  private static func environment(_ plan: AgentPlan, _ facts: OCIFacts) -> [String] {
    var all = ["PATH": defaultPath, "LANG": "C.UTF-8"]
    for entry in facts.image?.env ?? [] {
      guard let equals = entry.firstIndex(of: "="), equals != entry.startIndex else { continue }
      all[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
    }
    all.merge(plan.process.env) { _, planned in planned }
    return all.map { "\($0.key)=\($0.value)" }.sorted()
  }
}
