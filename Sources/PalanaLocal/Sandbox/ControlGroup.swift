import Glibc
import PalanaCore

/// The control group of one sandbox, on pure version 2 or on version 1 (also as part of a hybrid), whichever holds it.
struct ControlGroup: Sendable {
  /// For example `palana/demo-1f0a93c27b`.
  let name: String

  private static let root = "/sys/fs/cgroup"

  private func read(_ file: String) -> String? {
    Files.read(file).map { String(decoding: $0, as: UTF8.self) }
  }

  private func number(_ controller: String, _ file: String) -> Int64? {
    read("\(Self.root)/\(controller)/\(name)/\(file)").flatMap { Int64($0.filter(\.isNumber)) }
  }

  private func number2(_ file: String) -> Int64? {
    read("\(Self.root)/\(name)/\(file)").flatMap { Int64($0.filter(\.isNumber)) }
  }

  /// The number after `key` in a file of lines `KEY NUMBER`.
  private func value(_ path: String, _ key: String) -> Int64? {
    read("\(Self.root)/\(path)")?.split(separator: "\n").first { $0.hasPrefix(key + " ") }
      .flatMap { Int64($0.dropFirst(key.count + 1)) }
  }

  /// Blocking. Nil: the group is gone.
  func usage() -> (memory: Int64, cpuSeconds: Double, pids: Int, oomKills: Int)? {
    if let memory = number2("memory.current") {
      let cache = value("\(name)/memory.stat", "inactive_file") ?? 0
      return (
        max(memory - cache, 0), Double(value("\(name)/cpu.stat", "usage_usec") ?? 0) / 1e6,
        Int(number2("pids.current") ?? 0), Int(value("\(name)/memory.events", "oom_kill") ?? 0)
      )
    }
    guard let memory = number("memory", "memory.usage_in_bytes") else { return nil }
    let cache = value("memory/\(name)/memory.stat", "total_inactive_file") ?? 0
    return (
      max(memory - cache, 0), Double(number("cpuacct", "cpuacct.usage") ?? 0) / 1e9,
      Int(number("pids", "pids.current") ?? 0), Int(value("memory/\(name)/memory.oom_control", "oom_kill") ?? 0)
    )
  }

  /// Stops the processes of the group, or lets them go on. Blocking. False: the group is gone.
  @discardableResult
  func setFrozen(_ frozen: Bool) -> Bool {
    write("\(Self.root)/\(name)/cgroup.freeze", frozen ? "1" : "0")
      || write("\(Self.root)/freezer/\(name)/freezer.state", frozen ? "FROZEN" : "THAWED")
  }

  private func write(_ path: String, _ text: String) -> Bool {
    let file = Files.open(path, O_WRONLY)
    guard file.number >= 0 else { return false }
    let bytes = Array(text.utf8)
    return unsafe bytes.withUnsafeBytes { unsafe Glibc.write(file.number, $0.baseAddress, $0.count) } == bytes.count
  }

  /// Removes the empty groups of this name and below it, in every hierarchy; one with a process in it stays. Blocking.
  func removeEmpty() {
    for hierarchy in [Self.root] + Files.names(in: Self.root).map({ "\(Self.root)/\($0)" }) {
      let folder = "\(hierarchy)/\(name)"
      for child in Files.names(in: folder) { _ = unsafe rmdir("\(folder)/\(child)") }
      _ = unsafe rmdir(folder)
    }
  }

  /// Whether the kernel counts the buffers of sockets apart from other memory: version 1 does, and only when asked to.
  static func countsSocketsApart() -> Bool { Files.exists("\(root)/memory/memory.kmem.tcp.limit_in_bytes") }

  /// Whether the kernel counts swap for groups; if not, crun must not be asked to limit it.
  static func countsSwap() -> Bool {
    Files.exists("\(root)/memory/memory.memsw.limit_in_bytes")
      // Version 2 shows it in groups below the root only, and every machine with swap accounting has one.
      || Files.names(in: root).contains { Files.exists("\(root)/\($0)/memory.swap.max") }
  }
}
