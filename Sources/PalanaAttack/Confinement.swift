import CLinux
package import PalanaCore

/// Puts this process where the agent is, with less than the agent has.
package enum Confinement {
  /// Nobody's own number: not the overflow user, under which other things may run.
  private static let user: UInt32 = 65_533

  /// Enters the network and gives up everything else: root, groups, capabilities, the way back to them, and files.
  ///
  /// The network is the calling thread's alone; what is given up is given up for every thread that still runs. The first thread of a
  /// program with a concurrent main function has ended by then, and goes on showing in `/proc/PID/status` what it was.
  /// - Parameter network: file of a network namespace.
  /// - Throws: ``PalanaError`` with code `failed`. Then nothing may be done in this process any more.
  package static func enter(network: String) throws(PalanaError) {
    let code = unsafe clconfine_enter(network, user)
    guard code == 0 else { throw PalanaError(.failed, "the agent's network cannot be entered (error \(-code))") }
  }
}
