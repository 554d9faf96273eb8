/// Where the sandboxes of one installation live and which programs make them.
package struct SandboxConfiguration: Hashable, Sendable {
  /// The installation's folder; `HOME/agents`, `HOME/data`, `HOME/images` and `HOME/sandbox` below it belong to the
  /// runtime.
  package var home: String
  /// What must not outlive a boot: crun's state, and the place where shims mount. A folder on a tmpfs, for example
  /// `/run/palana/NAME`. Anybody must be able to pass through the folders above it (mode 0711 is enough), or the
  /// sandboxes' own roots cannot.
  package var runtimeDirectory: String
  /// Folder that holds `palana-init` and `palana-shim`.
  package var programs: String
  /// First part of the control groups: `palana/ID`.
  package var cgroupParent = "palana"
  /// The installation's CA certificate, PEM.
  package var caCertificate: String
  /// The machine's roots, PEM; agents trust them and the CA.
  package var systemRoots = "/etc/ssl/certs/ca-certificates.crt"
  /// Bytes of one log file, and files of one run.
  package var logFileBytes = 10 << 20
  package var logFiles = 3

  package init(home: String, runtimeDirectory: String, programs: String, caCertificate: String) {
    self.home = home
    self.runtimeDirectory = runtimeDirectory
    self.programs = programs
    self.caCertificate = caCertificate
  }
}
