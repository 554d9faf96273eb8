import PalanaCore

/// The templates that every installation has. An `AgentTemplate` of the same name in the store wins over the built-in one.
///
/// They run on `image: host`, the machine's own programs read-only, so that they work where nothing else is installed. A template
/// whose program is missing says which program or which image to provide, before anything is started.
package enum BuiltinTemplates {
  /// The template of an agent that says nothing about what to run.
  package static let defaultName = "shell"

  /// By name.
  package static let all: [AgentTemplate] = [
    ("claudecodeui", claudeCodeUI), ("opencode", openCode), ("python", python), ("shell", shell), ("ttyd", ttyd),
  ].compactMap { name, spec in
    // The names are literals; a test holds that none is refused.
    guard let name = try? ResourceName(name) else { return nil }
    return AgentTemplate(metadata: ObjectMeta(name: name), spec: spec)
  }

  package static func named(_ name: String) -> AgentTemplate? { all.first { $0.metadata.name.text == name } }

  /// Waits without using the processor and ends at once on TERM: `sleep` alone would make the shell deaf to it.
  private static let idle = "trap 'exit 0' TERM INT HUP; while :; do sleep 3600 & wait $!; done"

  private static let shell = AgentTemplateSpec(
    description: "An idle agent to work in with `pcli shell` and `pcli exec`.",
    image: "host",
    command: ["/bin/sh", "-c", "echo \"ready: open a shell with: pcli shell $PALANA_AGENT\"; \(idle)"],
    workingDirectory: "/data")

  private static let python = AgentTemplateSpec(
    description: "Runs /data/agent.py with Python 3; waits for it while it is missing.",
    image: "host",
    command: [
      "/bin/sh", "-c",
      """
      if [ -f /data/agent.py ]; then exec python3 /data/agent.py; fi
      echo "there is no /data/agent.py yet: pcli cp agent.py $PALANA_AGENT:/data/agent.py, then pcli restart $PALANA_AGENT"
      \(idle)
      """,
    ],
    workingDirectory: "/data",
    env: ["PYTHONUNBUFFERED": "1"],
    requires: [
      RequiredProgram(
        name: "python3",
        hint: "install Python 3 on this machine (apt-get install python3), or give an image that has it, "
          + "for example --image docker.io/library/python:3.12-slim")
    ])

  private static let claudeCodeUI = AgentTemplateSpec(
    description: "Claude Code with its web interface on port 3001.",
    image: "host",
    command: ["/bin/sh", "-c", "mkdir -p /data/workspace && cd /data/workspace && exec claude-code-ui"],
    workingDirectory: "/data",
    env: ["HOST": "0.0.0.0", "PORT": "3001", "SERVER_PORT": "3001"],
    resources: AgentResources(pids: 512),
    ports: [AgentPort(name: "ui", port: 3001, browser: true)],
    egress: AgentEgress(rules: [
      EgressRule(id: "anthropic", host: "api.anthropic.com", methods: ["GET", "POST"], paths: ["/v1/**"])
    ]),
    requires: [
      RequiredProgram(
        name: "claude-code-ui",
        hint: "install it on this machine (npm install --global --prefix /usr @siteboon/claude-code-ui), "
          + "or give an image built from node:22 that has it, with --image"),
      RequiredProgram(
        name: "claude",
        hint: "install it on this machine (npm install --global --prefix /usr @anthropic-ai/claude-code), "
          + "or give an image built from node:22 that has it, with --image"),
    ])

  private static let openCode = AgentTemplateSpec(
    description: "The opencode agent as a server on port 4096.",
    image: "host",
    command: [
      "/bin/sh", "-c",
      "mkdir -p /data/workspace && cd /data/workspace && exec opencode serve --hostname 0.0.0.0 --port 4096",
    ],
    workingDirectory: "/data",
    resources: AgentResources(pids: 512),
    ports: [AgentPort(name: "ui", port: 4096, browser: true)],
    requires: [
      RequiredProgram(
        name: "opencode",
        hint: "install it on this machine (npm install --global --prefix /usr opencode-ai), "
          + "or give an image built from node:22 that has it, with --image")
    ])

  private static let ttyd = AgentTemplateSpec(
    description: "A terminal in the browser on port 7681.",
    image: "host",
    command: [
      "/bin/sh", "-c",
      """
      # Since 1.7.4 a terminal takes no input unless it is asked to; older ones do not know the option.
      writable=; if ttyd --help 2>&1 | grep -q -e --writable; then writable=--writable; fi
      exec ttyd $writable --port 7681 /bin/sh
      """,
    ],
    workingDirectory: "/data",
    ports: [AgentPort(name: "terminal", port: 7681, browser: true)],
    requires: [
      RequiredProgram(
        name: "ttyd",
        hint:
          "install it on this machine (apt-get install ttyd, or the binary of github.com/tsl0922/ttyd in /usr/bin), "
          + "or give an image that has it, for example --image docker.io/tsl0922/ttyd")
    ])
}
