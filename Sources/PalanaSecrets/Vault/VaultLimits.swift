/// Bounds of what a client of the secret store waits for and takes in.
package struct VaultLimits: Hashable, Sendable {
  /// Bytes of the longest answer.
  package var responseBytes: Int
  /// From the first byte sent to the last received, for one attempt.
  package var timeout: Duration
  /// How long making the connection may take.
  package var connectTimeout: Duration
  /// Attempts of a read. Writes are tried once.
  package var readAttempts: Int

  package init(
    responseBytes: Int = 1 << 20, timeout: Duration = .seconds(5), connectTimeout: Duration = .seconds(2),
    readAttempts: Int = 3
  ) {
    self.responseBytes = responseBytes
    self.timeout = timeout
    self.connectTimeout = connectTimeout
    self.readAttempts = max(readAttempts, 1)
  }
}
