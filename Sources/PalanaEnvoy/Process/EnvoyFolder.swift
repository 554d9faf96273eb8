import Glibc
import NIOPosix
import PalanaCore
import PalanaEgress

/// The files that Envoy reads. None of them holds a secret.
struct EnvoyFolder {
  let configuration: EnvoyConfiguration

  /// Makes the folder, writes the bootstrap and the trusted roots. Blocks.
  ///
  /// - Throws: ``PalanaError`` with code `failed` or `invalid`.
  func prepare() throws(PalanaError) {
    let folder = configuration.folder
    guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw failure("made", folder) }
    if let user = configuration.user, geteuid() == 0 {
      // Root's own, with the right to pass through and to read for Envoy alone.
      guard unsafe chown(folder, 0, user) == 0, unsafe chmod(folder, 0o710) == 0 else { throw failure("made", folder) }
    }
    try write(BootstrapDocument(configuration: configuration).json.encoded(pretty: true), to: configuration.bootstrapFile)
    var roots: [UInt8] = []
    for file in [configuration.systemRoots] + configuration.egress.upstreamCAFiles { roots += try read(file) + [10] }
    try write(roots, to: configuration.rootsFile)
  }

  private func write(_ bytes: [UInt8], to path: String) throws(PalanaError) {
    _ = unsafe unlink(path)
    let file = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o640)
    guard file >= 0 else { throw failure("written", path) }
    defer { close(file) }
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress.map { unsafe $0 + done }, $0.count - done) }
      guard count > 0 else { throw failure("written", path) }
      done += count
    }
    if let user = configuration.user, geteuid() == 0 {
      // The daemon's mask would keep Envoy's group out.
      guard fchown(file, 0, user) == 0, fchmod(file, 0o640) == 0 else { throw failure("written", path) }
    }
  }

  private func read(_ path: String) throws(PalanaError) -> [UInt8] {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failure("read", path) }
    defer { close(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
      guard count >= 0, bytes.count < 16 << 20 else { throw failure("read", path) }
      if count == 0 { return bytes }
      bytes += buffer.prefix(count)
    }
  }

  private func failure(_ what: String, _ path: String) -> PalanaError {
    PalanaError(.failed, "‘\(path)’ could not be \(what): \(unsafe String(cString: strerror(errno)))")
  }
}
