import Foundation
import Synchronization
import Testing

/// A running `palanad operator`.
final class OperatorProcess: Sendable {
  private let folder: String
  private let process: Mutex<Process>

  /// - Parameter name: of this process among those of the cluster.
  init(_ cluster: KubernetesCluster, _ name: String = "operator") throws {
    folder = "\(cluster.folder)/\(name)-\(UInt32.random(in: 0...UInt32.max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".write(
      toFile: folder + "/ca.pem", atomically: true, encoding: .utf8)
    try String(repeating: "k", count: 40).write(toFile: folder + "/key", atomically: true, encoding: .utf8)
    try """
    gateway:
      host: palana-gateway.palana-system.svc.cluster.local
      pods: {namespace: palana-system, labels: {app.kubernetes.io/name: palana-gateway}}
    caFile: \(folder)/ca.pem
    proxyKeyFile: \(folder)/key
    """.write(toFile: folder + "/operator.yaml", atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(filePath: Checkout.palanad)
    process.arguments = [
      "operator", "--config", folder + "/operator.yaml", "--kubeconfig", cluster.kubeconfig, "--namespace", "palana-system",
    ]
    process.standardInput = FileHandle.nullDevice
    for file in ["/trail", "/log"] { _ = FileManager.default.createFile(atPath: folder + file, contents: nil) }
    process.standardOutput = FileHandle(forWritingAtPath: folder + "/trail")
    process.standardError = FileHandle(forWritingAtPath: folder + "/log")
    try process.run()
    self.process = Mutex(process)
  }

  /// What it logged.
  var log: String { (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? "" }
  var isLeading: Bool { log.contains("] leading") && !hasLost }
  var hasLost: Bool { log.contains("no longer leading") }

  /// The events that it wrote for the audit trail.
  func trail() throws -> [JSON] {
    let text = try String(contentsOfFile: folder + "/trail", encoding: .utf8)
    // The last line may be on its way.
    return try text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { try JSON(parsing: String($0)) }
  }

  func signal(_ number: Int32) { process.withLock { process in if process.isRunning { kill(process.processIdentifier, number) } } }

  /// Ends it without asking.
  func end() {
    process.withLock { process in
      guard process.isRunning else { return }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
  }

  /// Asks it to end.
  /// - Returns: its exit code.
  func stop() async throws -> Int32 {
    signal(SIGTERM)
    try await waitUntil("the operator has ended") { process.withLock { !$0.isRunning } }
    return process.withLock { $0.terminationStatus }
  }

  deinit { end() }
}
