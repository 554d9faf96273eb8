import FoundationEssentials
import Glibc
import PalanaCore

/// What the runtime needs of this machine, found and made once by ``SandboxRuntime/prepare()``.
struct Machine: Sendable {
  var crun: String
  var shim: String
  var seccomp: String
  var hostView: HostView
  /// Holds `palana-init`, and `busybox` where the machine has a static one.
  var tools: String
  /// The machine's roots and the installation's CA; the CA alone.
  var caBundle: String
  var caCertificate: String
  var boot: String
  var countsSwap: Bool
  var countsSocketsApart: Bool
  /// Most open files that a process may be given here.
  var openFiles: UInt64

  /// Blocking.
  /// - Throws: `failed` with what the machine lacks and how to install it.
  init(_ configuration: SandboxConfiguration, _ paths: SandboxPaths) throws(PalanaError) {
    // Programs that end before they have read all that they were given are ordinary; the default answer to that is
    // death.
    signal(SIGPIPE, SIG_IGN)
    crun = try Program.find("crun", package: "crun")
    _ = try Program.find("mkfs.ext4", package: "e2fsprogs")
    shim = configuration.programs + "/palana-shim"
    let initProgram = configuration.programs + "/palana-init"
    guard Files.isExecutable(shim), Files.isExecutable(initProgram), let initBytes = Files.read(initProgram) else {
      throw PalanaError(
        .failed, "palana-init and palana-shim are not in \(configuration.programs)",
        hint: "build them with scripts/build")
    }
    seccomp = try SeccompProgram.base64()
    for folder in [paths.runtimeDirectory, paths.bundle] { try Files.makeFolder(folder, mode: 0o711) }
    try Self.checkPassage(to: paths.bundle)
    for folder in [paths.agents, paths.data, paths.images, paths.shared, paths.exec, paths.crunRoot] {
      try Files.makeFolder(folder)
    }
    hostView = try HostView.build(in: paths.shared)
    tools = paths.tools
    try Files.makeFolder(tools, mode: 0o755)
    // Copies: the folder that they come from holds other programs, which are nobody's business inside.
    try Self.install(initBytes, as: tools + "/palana-init")
    if let busybox = Self.staticBusybox() { try Self.install(busybox, as: tools + "/busybox") }
    let roots = Files.read(configuration.systemRoots) ?? []
    let certificate = Array(configuration.caCertificate.utf8)
    caBundle = paths.shared + "/ca-bundle.pem"
    caCertificate = paths.shared + "/ca.pem"
    try Self.install(roots + [10] + certificate, as: caBundle, mode: 0o644)
    try Self.install(certificate, as: caCertificate, mode: 0o644)
    boot = String(decoding: Files.read("/proc/sys/kernel/random/boot_id") ?? [], as: UTF8.self).filter { $0 != "\n" }
    countsSwap = ControlGroup.countsSwap()
    countsSocketsApart = ControlGroup.countsSocketsApart()
    openFiles = min(Self.hardLimitOfOpenFiles(), 65_536)
  }

  /// crun looks for a sandbox's root as the sandbox's own root, who is nobody on the machine.
  private static func checkPassage(to path: String) throws(PalanaError) {
    var folder = ""
    for part in path.split(separator: "/") {
      folder += "/\(part)"
      var status = stat()
      guard unsafe stat(folder, &status) == 0, status.st_mode & 0o001 != 0 else {
        throw PalanaError(
          .failed, "\(folder) is closed to others, so sandboxes cannot start",
          hint: "open it for passing through: chmod o+x \(folder)")
      }
    }
  }

  /// Leaves alone what is there already: a sandbox may be starting with it.
  private static func install(_ bytes: [UInt8], as path: String, mode: UInt32 = 0o755) throws(PalanaError) {
    guard Files.read(path) != bytes else { return }
    try Files.write(bytes, to: path, mode: mode)
  }

  /// A busybox that needs no library and so runs in every image, for what an image may lack (`tar`).
  private static func staticBusybox() -> [UInt8]? {
    for path in ["/usr/bin/busybox", "/bin/busybox"] {
      // An ELF file without an interpreter: no program header of type 3.
      guard let bytes = Files.read(path), bytes.count > 64, Array(bytes[0..<5]) == [0x7f, 0x45, 0x4c, 0x46, 2] else {
        continue
      }
      func little(_ offset: Int, _ size: Int) -> Int {
        guard offset + size <= bytes.count else { return 0 }
        return (0..<size).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
      }
      let table = little(32, 8)
      let headers = (0..<little(56, 2)).map { little(table + $0 * little(54, 2), 4) }
      if !headers.isEmpty, !headers.contains(3) { return bytes }
    }
    return nil
  }

  private static func hardLimitOfOpenFiles() -> UInt64 {
    var limit = rlimit()
    return unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? UInt64(limit.rlim_max) : 1024
  }
}
