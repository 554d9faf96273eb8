/// The mounts of a sandbox, in the order in which they are made.
enum OCIMounts {
  static func mounts(_ plan: AgentPlan, _ facts: OCIFacts) -> [OCISpec.Mount] {
    // Pages of a tmpfs count as the agent's memory; the size only keeps one of them from taking all of it.
    let half = max(plan.limits.memoryBytes / 2, 1 << 20)
    var mounts = [
      OCISpec.Mount(destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]),
      tmpfs("/dev", ["noexec", "strictatime", "mode=755", "size=64k"]),
      OCISpec.Mount(
        destination: "/dev/pts", type: "devpts", source: "devpts",
        // The machine's own number of terminals is one for all agents.
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "max=128"]),
      tmpfs("/dev/shm", ["nodev", "noexec", "mode=1777", "size=\(half)"]),
      tmpfs("/tmp", ["nodev", "mode=1777", "size=\(half)"]),
      tmpfs("/run", ["nodev", "mode=1777", "size=\(min(half, 64 << 20))"]),
      bind(facts.initFolder, "/.palana"),
    ]
    mounts += facts.binds.map { bind($0.source, $0.destination) }
    mounts += facts.hidden.map { tmpfs($0, ["ro", "nodev", "noexec", "mode=555", "size=4k"]) }
    mounts.append(bind(facts.secrets, "/run/secrets", ["noexec"]))
    mounts.append(
      OCISpec.Mount(
        destination: AgentEnvironment.home, type: "bind", source: facts.data,
        options: ["bind", "rw", "nosuid", "nodev"]))
    return mounts
  }

  private static func tmpfs(_ destination: String, _ options: [String]) -> OCISpec.Mount {
    OCISpec.Mount(destination: destination, type: "tmpfs", source: "tmpfs", options: ["nosuid"] + options)
  }

  /// Not recursive: what is mounted below the source on the machine stays outside.
  private static func bind(_ source: String, _ destination: String, _ more: [String] = []) -> OCISpec.Mount {
    OCISpec.Mount(
      destination: destination, type: "bind", source: source, options: ["bind", "ro", "nosuid", "nodev"] + more)
  }
}
