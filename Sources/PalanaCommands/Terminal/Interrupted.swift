/// A signal ended the command: the terminal is put right first, then the exit code is 128 plus the signal.
struct Interrupted: Error, Hashable {
  /// The signal's number.
  let signal: Int32
}
