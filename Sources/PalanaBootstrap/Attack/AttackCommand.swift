import ArgumentParser
import FoundationEssentials
import Glibc
import PalanaAttack
import PalanaControlAPI
import PalanaCore

/// `palanad attack`: the process with which the daemon attacks an agent's way out, from inside the agent's network. Not for people:
/// `pcli doctor --attack` starts it.
///
/// It is synchronous on purpose. Only the thread that enters the network is there, so everything happens on that one.
struct AttackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attack", abstract: "Attacks the way out of one agent, as described on standard input.", shouldDisplay: false)

  @Option(help: "The file of the agent's network namespace.")
  var network: String

  /// Bytes of the description at most.
  private static let limit = 1 << 20

  func run() throws {
    DaemonProcess.harden()
    do {
      // What comes by the pipe is the daemon's; whatever is read after this comes from the network.
      let job = try AttackJob(decoding: try Self.input())
      try Confinement.enter(network: network)
      try AttackRun(job) { record in try Self.write(record) }
    } catch let error as PalanaError {
      try Self.write(PalanaError.Envelope(error))
    }
  }

  private static func input() throws(PalanaError) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(0, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw PalanaError(.failed, "standard input cannot be read: \(systemMessage(errno))") }
      if count == 0 { return bytes }
      bytes += buffer.prefix(count)
      guard bytes.count <= limit else { throw PalanaError(.invalid, "standard input is longer than \(limit) bytes") }
    }
  }

  private static func write(_ value: some Encodable) throws {
    var rest = Array(try JSONEncoder().encode(value))[...] + [10]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(1, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      // Nobody listens any more.
      guard count > 0 else { throw ExitCode.failure }
      rest = rest.dropFirst(count)
    }
  }
}
