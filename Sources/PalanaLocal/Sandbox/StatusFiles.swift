import CLinux
import FoundationEssentials
import Glibc
import PalanaCore

/// What the shim writes about a run into the agent's folder; each file is replaced as a whole.
enum StatusFiles {
  struct Started: Codable, Sendable {
    var run: Int
    /// The boot that the numbers of the processes belong to.
    var boot: String
    var shim: Int32
    var shimStart: UInt64
    var pid: Int32
    var pidStart: UInt64
    /// Microseconds since 1970.
    var time: Int64
  }

  struct Ended: Codable, Sendable {
    var run: Int
    var code: Int32
    var signal: Int32
    var oomKills: Int
    var cpuNanoseconds: Int64
    var memoryPeak: Int64
    var started: Int64
    var time: Int64
    /// Written by the runtime for a shim that could not.
    var lost: Bool?
  }

  static func started(_ folder: String) -> Started? { decode(folder + "/started") }
  static func ended(_ folder: String) -> Ended? { decode(folder + "/exit") }

  private static func decode<Value: Decodable>(_ path: String) -> Value? {
    Files.read(path).flatMap { try? JSONDecoder().decode(Value.self, from: Data($0)) }
  }

  /// Writes down that nobody knows how a run ended.
  static func writeLost(_ folder: String, _ started: Started, now: Timestamp) -> Ended {
    let ended = Ended(
      run: started.run, code: 255, signal: 0, oomKills: 0, cpuNanoseconds: 0, memoryPeak: 0, started: started.time,
      time: now.microseconds, lost: true)
    // If it cannot be written the next start of the daemon comes to the same conclusion.
    if let bytes = try? JSONEncoder().encode(ended) { try? Files.write(Array(bytes), to: folder + "/exit") }
    return ended
  }
}

extension SandboxExit {
  init(_ id: AgentID, _ ended: StatusFiles.Ended) {
    // The init passes a signal on as 128 plus its number, as a shell does.
    let passedOn = (129...192).contains(ended.code) ? ended.code - 128 : nil
    let signal = ended.signal != 0 ? ended.signal : passedOn
    let reason: Reason
    if ended.lost == true {
      reason = .lost
    } else if ended.oomKills > 0, ended.signal == 0, passedOn == SIGKILL {
      // The kernel kills the agent's program; the init that reports it lives. A KILL from outside kills the init
      // itself.
      reason = .oomKilled
    } else if signal != nil {
      reason = .signaled
    } else {
      reason = ended.code == 0 ? .completed : .error
    }
    self.init(
      id: id, run: ended.run, code: ended.code, signal: signal, reason: reason, oomKills: ended.oomKills,
      cpuSeconds: Double(ended.cpuNanoseconds) / 1e9, memoryPeakBytes: ended.memoryPeak,
      startedAt: Timestamp(microseconds: ended.started), time: Timestamp(microseconds: ended.time))
  }
}

/// A process that is certainly the one that was meant: its number and its start time were compared.
final class ProcessHandle: Sendable {
  let pid: Int32
  let descriptor: OwnedDescriptor

  /// Nil: it has ended, whoever has its number now.
  init?(pid: Int32, start: UInt64) {
    let descriptor = OwnedDescriptor(clsandbox_pidfd_open(pid))
    // In this order: with the descriptor open, the number cannot pass to another process between the comparison and its
    // use.
    guard descriptor.number >= 0, Self.startTime(of: pid) == start else { return nil }
    self.pid = pid
    self.descriptor = descriptor
  }

  /// Sends a signal; false: it has ended.
  @discardableResult
  func signal(_ number: Int32) -> Bool { clsandbox_pidfd_signal(descriptor.number, number) == 0 }

  private static func startTime(of pid: Int32) -> UInt64? {
    guard let bytes = Files.read("/proc/\(pid)/stat"), let end = bytes.lastIndex(of: UInt8(ascii: ")")) else {
      return nil
    }
    // Field 22; the first after the name is field 3.
    let fields = bytes[bytes.index(after: end)...].split(separator: UInt8(ascii: " "))
    return fields.count > 19 ? UInt64(String(decoding: fields[19], as: UTF8.self)) : nil
  }
}
