import CLinux
import Glibc
import PalanaCore

/// The folder of the agents' network namespaces: one file per agent, to which the kernel's namespace is bound. So a namespace
/// lives without any process, survives the daemon, and is found again by its name.
///
/// The binding belongs to the mount namespace of the daemon: a daemon that is started in a private one (such as systemd's
/// `PrivateMounts`) does not find the namespaces of its predecessor.
struct NamespaceFolder: Sendable {
  /// Absolute, without a slash at the end.
  let path: String

  /// The file of an agent's namespace.
  func file(of agent: AgentID) -> String { path + "/" + agent.text }

  /// Makes the folder, readable by the daemon only.
  func create() throws(NetlinkError) {
    var partial = ""
    for part in path.split(separator: "/") {
      partial += "/" + part
      guard unsafe mkdir(partial, 0o700) == 0 || errno == EEXIST else {
        throw NetlinkError(errno, "make the folder \(partial)")
      }
    }
  }

  /// The agents with a file, each with whether a namespace is bound to it. A file without one is what a reboot leaves.
  func list() throws(NetlinkError) -> [(agent: AgentID, isBound: Bool)] {
    guard let folder = unsafe opendir(path) else {
      guard errno == ENOENT else { throw NetlinkError(errno, "read the folder \(path)") }
      return []
    }
    defer { unsafe closedir(folder) }
    var agents: [AgentID] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if let agent = AgentID(parsing: name) { agents.append(agent) }
    }
    var result: [(agent: AgentID, isBound: Bool)] = []
    for agent in agents.sorted() { result.append((agent, try isBound(agent))) }
    return result
  }

  /// Whether the agent has a namespace.
  func isBound(_ agent: AgentID) throws(NetlinkError) -> Bool {
    let code = unsafe clnet_namespace_exists(file(of: agent))
    guard code >= 0 else { throw NetlinkError(-code, "look at the network namespace of \(agent)") }
    return code == 1
  }

  /// Makes a namespace for an agent that has none; a stale file is replaced.
  func make(_ agent: AgentID) throws(NetlinkError) {
    var code = unsafe clnet_namespace_create(file(of: agent))
    if code == -EEXIST {
      try remove(agent)
      code = unsafe clnet_namespace_create(file(of: agent))
    }
    guard code == 0 else { throw NetlinkError(-code, "make the network namespace of \(agent)") }
  }

  /// Removes an agent's namespace, or a stale file. Nothing there is success.
  func remove(_ agent: AgentID) throws(NetlinkError) {
    let code = unsafe clnet_namespace_remove(file(of: agent))
    guard code == 0 else { throw NetlinkError(-code, "remove the network namespace of \(agent)") }
  }

  /// Runs `body` with a descriptor of the agent's namespace.
  func withDescriptor<Value>(
    of agent: AgentID, _ body: (Int32) throws(NetlinkError) -> Value
  ) throws(NetlinkError) -> Value {
    let descriptor = unsafe open(file(of: agent), O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw NetlinkError(errno, "open the network namespace of \(agent)") }
    defer { close(descriptor) }
    return try body(descriptor)
  }
}
