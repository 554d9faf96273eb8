package import Foundation

/// A Kubernetes API server for tests, one of each kind for all tests of a process. It ends with the process at the latest.
package actor KubeTestServer: CustomStringConvertible {
  /// etcd and kube-apiserver.
  package static let real = KubeTestServer("real", "scripts/api-server")
  /// The same with kube-controller-manager.
  package static let controlled = KubeTestServer("controlled", "scripts/api-server", "--controllers")
  /// Another one of these, for what holds for a whole cluster: admission.
  package static let admitting = KubeTestServer("admitting", "scripts/api-server", "--controllers")
  /// kmock: config maps that come, change and go, with no versions, owners of fields, selectors or conflicts (design/0011).
  package static let double = KubeTestServer("double", "scripts/kmock/serve.py")

  package nonisolated let description: String
  private nonisolated let script: String
  private nonisolated let arguments: [String]
  private var kubeconfig: Task<String, any Error>?
  /// The server ends when this closes.
  private let input = Pipe()

  private init(_ name: String, _ script: String, _ arguments: String...) {
    description = name
    self.script = script
    self.arguments = arguments
  }

  private nonisolated var isDouble: Bool { description == "double" }

  /// Whether its programs are there: those of `KUBEBUILDER_ASSETS`, and what `scripts/setup --test` installs.
  package nonisolated var isPresent: Bool {
    if isDouble { return FileManager.default.isExecutableFile(atPath: Self.python) }
    let folder = ProcessInfo.processInfo.environment["KUBEBUILDER_ASSETS"] ?? "/usr/local/kubebuilder/bin"
    return (["etcd", "kube-apiserver"] + (arguments.isEmpty ? [] : ["kube-controller-manager"])).allSatisfy {
      FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)")
    }
  }

  /// Starts it, the first time.
  ///
  /// - Returns: the path of a kubeconfig, of an administrator where there are users.
  package func path() async throws -> String {
    if let kubeconfig { return try await kubeconfig.value }
    let input = self.input
    let folder = NSTemporaryDirectory() + "/palana-kube-\(description)-\(ProcessInfo.processInfo.processIdentifier)"
    let task = Task.detached { [self] () throws -> String in
      isDouble
        ? try Self.launch(Self.python, [Self.root + script, folder], input: input)
        : try Self.launch(Self.root + script, [folder, "--stdin"] + arguments, input: input)
    }
    kubeconfig = task
    return try await task.value
  }

  /// Starts a real one of a test's own, which ends when `input` is closed, and waits until it is ready.
  ///
  /// - Parameter folder: where it keeps what it stores; one that is started there again is the same server.
  /// - Returns: the path of its kubeconfig.
  package static func launch(_ folder: String, _ arguments: String..., input: Pipe) throws -> String {
    try launch(root + "scripts/api-server", [folder, "--stdin"] + arguments, input: input)
  }

  private static func launch(_ program: String, _ arguments: [String], input: Pipe) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.standardInput = input
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let line = output.fileHandleForReading.availableData
    guard let path = String(bytes: line, encoding: .utf8)?.trimmingCharacters(in: .whitespacesAndNewlines), !path.isEmpty else {
      throw NotStarted(arguments: arguments)
    }
    return path
  }

  /// Its standard error says why.
  private struct NotStarted: Error { var arguments: [String] }

  private static let root: String = {
    var root = URL(filePath: #filePath)
    for _ in 0..<3 { root.deleteLastPathComponent() }
    return root.path()
  }()

  private static let python = (ProcessInfo.processInfo.environment["PALANA_TOOLS"] ?? "/opt/palana/tools") + "/kmock/bin/python"
}
