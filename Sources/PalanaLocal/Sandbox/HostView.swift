import Crypto
import FoundationEssentials
import Glibc
import PalanaCore
import PalanaPlan

/// The root of agents that run on the machine's own programs: a folder with a made-up `/etc` and room for what is
/// mounted in it.
///
/// `/usr` comes in as a read-only bind. Of the machine's `/etc` only what programs need and anybody may read is copied;
/// nothing of `/root`, `/home`, `/var`, `/opt`, of keys or of password files is in it.
struct HostView: Sendable {
  /// The prepared folder.
  let root: String
  /// What is bound into it.
  let binds: [OCIFacts.Bind]
  /// What of `/usr` is hidden: an administrator's own settings and sources may hold credentials.
  let hidden: [String]

  /// The agent inside.
  static let user = OCIProcess.User(uid: 1000, gid: 1000)

  private static let copied = [
    "alternatives", "debian_version", "fonts", "gai.conf", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "localtime", "mime.types", "perl", "protocols", "services", "ssl/openssl.cnf", "terminfo", "timezone",
  ]
  private static let hideable = ["/usr/local/etc", "/usr/local/src", "/usr/src"]

  /// Builds the folder below `shared`, or finds it there unchanged. Blocking.
  static func build(in shared: String, etc: String = "/etc") throws(PalanaError) -> HostView {
    var entries = made
    var budget = 64 << 20
    for name in copied + Files.names(in: etc).filter({ $0.hasPrefix("python3") }) {
      try collect("\(etc)/\(name)", as: "etc/\(name)", into: &entries, budget: &budget)
    }
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
      if let target = link(at: "/\(name)") {
        entries[name] = .link(target)
      } else if Files.exists("/\(name)") {
        entries[name] = .folder
      }
    }
    let root = "\(shared)/host-\(digest(entries))"
    if !Files.exists(root) {
      let draft = "\(shared)/.host-\(RandomToken.hex(bytes: 4))"
      try write(entries, to: draft)
      do throws(PalanaError) { try Files.move(draft, to: root) } catch {
        // Another daemon of this installation was faster: the name says that the contents are the same.
        guard Files.exists(root) else { throw error }
        try Files.remove(draft)
      }
    }
    // Machines whose /bin is a folder of its own, not a link into /usr.
    let own = entries.compactMap { path, entry in entry == .folder && !path.contains("/") ? path : nil }
      .filter { $0.hasPrefix("bin") || $0.hasPrefix("sbin") || $0.hasPrefix("lib") }.sorted()
    return HostView(
      root: root, binds: (["usr"] + own).map { OCIFacts.Bind(source: "/\($0)", destination: "/\($0)") },
      hidden: hideable.filter(Files.exists))
  }

  private enum Entry: Hashable {
    case folder
    case link(String)
    case file([UInt8])
  }

  private static func text(_ lines: String...) -> Entry { .file(Array((lines.joined(separator: "\n") + "\n").utf8)) }

  /// What is the same on every machine.
  private static var made: [String: Entry] {
    var entries: [String: Entry] = [:]
    for path in [
      ".palana", "data", "dev", "etc", "etc/ssl", "etc/ssl/certs", "proc", "run", "tmp", "usr", "var",
    ] { entries[path] = .folder }
    entries["var/tmp"] = .link("../tmp")
    entries["var/run"] = .link("../run")
    entries["etc/mtab"] = .link("../proc/self/mounts")
    entries["etc/os-release"] = .link("../usr/lib/os-release")
    entries["etc/passwd"] = text(
      "root:x:0:0:root:/nonexistent:/usr/sbin/nologin", "agent:x:1000:1000:agent:/data:/bin/sh",
      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin")
    entries["etc/group"] = text("root:x:0:", "tty:x:5:", "agent:x:1000:", "nogroup:x:65534:")
    entries["etc/nsswitch.conf"] = text("passwd: files", "group: files", "hosts: files dns", "services: files")
    entries["etc/profile"] = text("PS1='$ '", "umask 022")
    entries["etc/shells"] = text("/bin/sh", "/bin/bash")
    // Overlaid by the sandbox's own files.
    for name in ["hosts", "hostname", "resolv.conf", "ssl/certs/ca-certificates.crt", "ssl/certs/palana-ca.pem"] {
      entries["etc/\(name)"] = .file([])
    }
    return entries
  }

  private static func link(at path: String) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: path)
  }

  /// Takes what anybody on the machine may read; special files, secrets and what is too much are left out.
  private static func collect(
    _ source: String, as path: String, into entries: inout [String: Entry], budget: inout Int
  ) throws(PalanaError) {
    if path != "etc/localtime", let target = link(at: source) {
      entries[path] = .link(target)
      return
    }
    var status = stat()
    guard unsafe stat(source, &status) == 0 else { return }
    switch status.st_mode & S_IFMT {
    case S_IFDIR where status.st_mode & 0o005 == 0o005:
      entries[path] = .folder
      for name in Files.names(in: source) {
        try collect("\(source)/\(name)", as: "\(path)/\(name)", into: &entries, budget: &budget)
      }
    case S_IFREG where status.st_mode & 0o004 != 0 && Int(status.st_size) <= budget:
      guard let bytes = Files.read(source) else { return }
      budget -= bytes.count
      entries[path] = .file(bytes)
    default: break
    }
  }

  private static func digest(_ entries: [String: Entry]) -> String {
    var hash = SHA256()
    func add(_ bytes: [UInt8]) {
      hash.update(data: Array("\(bytes.count) ".utf8))
      hash.update(data: bytes)
    }
    for (path, entry) in entries.sorted(by: { $0.key < $1.key }) {
      add(Array(path.utf8))
      switch entry {
      case .folder: add([0])
      case .link(let target): add([1] + Array(target.utf8))
      case .file(let bytes): add([2] + bytes)
      }
    }
    return hash.finalize().prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func write(_ entries: [String: Entry], to root: String) throws(PalanaError) {
    try Files.makeFolder(root, mode: 0o755)
    // Sorted: a folder comes before what is in it.
    for (path, entry) in entries.sorted(by: { $0.key < $1.key }) {
      let target = "\(root)/\(path)"
      switch entry {
      case .folder: try Files.makeFolder(target, mode: 0o755)
      case .link(let destination):
        guard unsafe symlink(destination, target) == 0 else { throw SystemCall.error(errno, target) }
      case .file(let bytes): try Files.write(bytes, to: target, mode: 0o644)
      }
    }
  }
}

extension HostView {
  /// Whether a program at this path of the machine also runs inside: links of it must end below `/usr`.
  static func hasProgram(_ path: String) -> Bool {
    guard Files.isExecutable(path), let end = unsafe realpath(path, nil) else { return false }
    defer { unsafe free(end) }
    let target = unsafe String(cString: end)
    return target.hasPrefix("/usr/") && !hideable.contains { target.hasPrefix($0 + "/") }
  }
}
