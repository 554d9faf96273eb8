package import PalanaSecrets

/// Which secret store is used and how long things may take.
package struct OpenBaoConfiguration: Sendable {
  package enum Mode: Hashable, Sendable {
    /// The daemon starts and supervises its own server.
    case supervised(binary: String, folder: String)
    /// Somebody else runs one; one login serves all purposes.
    case external(address: VaultAddress, credential: VaultCredential, caFile: String?)
  }

  package var mode: Mode
  /// How long the very first start may take; it initialises the storage.
  package var firstStartTimeout: Duration
  /// How long a later start may take until requests are answered. Usually 0.2 s.
  package var startTimeout: Duration
  /// Between looks at a server that runs.
  package var healthInterval: Duration
  /// How long the server may take to stop before it is killed.
  package var stopTimeout: Duration
  /// The longest pause before the server is started again after it died.
  package var longestBackOff: Duration
  /// Bytes of the log file; the one before it is kept once.
  package var logBytes: Int

  package init(
    mode: Mode, firstStartTimeout: Duration = .seconds(90), startTimeout: Duration = .seconds(30),
    healthInterval: Duration = .seconds(2), stopTimeout: Duration = .seconds(10),
    longestBackOff: Duration = .seconds(30), logBytes: Int = 1 << 20
  ) {
    self.mode = mode
    self.firstStartTimeout = firstStartTimeout
    self.startTimeout = startTimeout
    self.healthInterval = healthInterval
    self.stopTimeout = stopTimeout
    self.longestBackOff = longestBackOff
    self.logBytes = logBytes
  }
}
