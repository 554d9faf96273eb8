extension OCILinux {
  /// Namespaces, identities, limits and hidden kernel files of a sandbox.
  init(_ plan: AgentPlan, _ machine: AgentPlan.Machine, _ facts: OCIFacts) {
    let mapping = [IDMapping(containerID: 0, hostID: machine.idBase, size: 65_536)]
    uidMappings = mapping
    gidMappings = mapping
    namespaces = ["pid", "ipc", "uts", "mount", "cgroup"].map { Namespace(type: $0) }
    namespaces.append(Namespace(type: "user", path: facts.userNamespace))
    namespaces.append(Namespace(type: "network", path: facts.networkNamespace))
    cgroupsPath = "/" + facts.cgroup
    let period: Int64 = 100_000
    resources = Resources(
      // Denying all first makes crun add back only its own list: null, zero, full, random, urandom, tty, ptmx and pts.
      devices: [Resources.Device(allow: false, access: "rwm")],
      memory: Resources.Memory(
        limit: plan.limits.memoryBytes, swap: facts.swapAccounting ? plan.limits.memoryBytes : nil,
        // Without it one agent takes what all TCP connections of the machine share (`net.ipv4.tcp_mem`).
        kernelTCP: facts.separateSocketMemory ? min(plan.limits.memoryBytes / 4, 64 << 20) : nil),
      // The kernel refuses quotas below one millisecond.
      cpu: Resources.CPU(quota: max(plan.limits.cpuMilli * period / 1000, 1000), period: UInt64(period)),
      pids: Resources.Pids(limit: Int64(plan.limits.pids)))
    maskedPaths = [
      "/proc/acpi", "/proc/asound", "/proc/config.gz", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore",
      "/proc/keys", "/proc/key-users", "/proc/kmsg", "/proc/latency_stats", "/proc/modules", "/proc/sched_debug",
      "/proc/scsi", "/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo",
    ]
    readonlyPaths = [
      "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/proc/pressure",
    ]
  }
}
