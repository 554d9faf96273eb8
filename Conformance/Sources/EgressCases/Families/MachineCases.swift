import Foundation

/// What holds on the machine around the gateway.
enum MachineCases {
  static let all: [EgressCase] = [coreDumps, authorityKey, collisions]

  private static let coreDumps = EgressCase(.machine, "core-dumps", "No process of the platform writes a core dump.") { attack in
    guard !attack.target.processes.isEmpty else { throw Missing("the platform's processes are not known") }
    for process in attack.target.processes {
      // One that has ended meanwhile writes none.
      guard let limits = try? String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8) else { continue }
      let line = limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") } ?? ""
      let hard = line.split(separator: " ").dropFirst(5).first
      guard hard == "0" else {
        let name = (try? String(contentsOfFile: "/proc/\(process)/comm", encoding: .utf8)) ?? ""
        return .broken("\(name.trimmingCharacters(in: .newlines)) may write \(hard ?? "any number of") bytes")
      }
    }
    return .held
  }

  /// Searches what an agent can write, and what is made for it, for private keys.
  private static let search =
    "grep -rlsaI -e 'PRIVATE KEY[-]----' /etc /run /tmp /data /dev/shm /home /root /var /opt /.palana 2>/dev/null;"
    + " cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -ac 'PRIVATE KEY[-]----' | sed 's/^/environment /'"

  private static let authorityKey = EgressCase(
    .machine, "authority-key", "No file, environment or argument that an agent can read holds the private key of the authority."
  ) { attack in
    let exec = attack.target.exec
    guard !exec.isEmpty else { throw Missing("nothing can be run inside the agent") }
    let found = try Program.run(exec + ["sh", "-c", search], keepsErrors: false)
    var lines = found.output.split(separator: "\n").map(String.init)
    guard let environment = lines.popLast(), environment.hasPrefix("environment ") else {
      throw Missing("the search in the agent did not end: \(found.output.suffix(100))")
    }
    guard environment == "environment 0" else { return .broken("a private key stands in an environment or in arguments") }
    let authority = try publicKey(["openssl", "x509", "-noout", "-pubkey"], attack.target.authority)
    for file in lines {
      let text = try Program.run(exec + ["cat", file], keepsErrors: false).output
      if let key = try? publicKey(["openssl", "pkey", "-pubout"], text), key == authority { return .broken("\(file) holds it") }
    }
    return .held
  }

  private static func publicKey(_ command: [String], _ text: String) throws -> String {
    let done = try Program.run(command, input: text, keepsErrors: false)
    guard done.code == 0, done.output.contains("PUBLIC KEY") else { throw Missing("openssl does not read the authority") }
    return done.output
  }

  private static let collisions = EgressCase(
    .machine, "names-that-collide", "A name that reads like an agent's own is refused when somebody wants to create it.", isExclusive: true
  ) { attack in
    guard !attack.target.actions.create.isEmpty else { throw Missing("no command creates agents") }
    let name = attack.target.a.name
    let alike = [
      name, name.uppercased(), name.capitalized, name.replacing("-", with: "_"), name + ".", name + " ", " " + name, name + "\u{200b}",
    ]
    for other in alike {
      let done = try Program.run(attack.target.actions.create.map { $0 == "NAME" ? other : $0 })
      guard done.code != 0 else { return .broken("\(other.debugDescription) was created beside \(name)") }
    }
    return .held
  }
}
