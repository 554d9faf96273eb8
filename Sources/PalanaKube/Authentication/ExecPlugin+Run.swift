import PalanaCore
import Subprocess
import SystemPackage

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

extension ExecPlugin {
  private static let outputLimit = 1 << 20

  /// Runs the program and reads the credential that it prints.
  ///
  /// - Parameter timeLimit: after it the program is ended, with what it started.
  /// - Throws: ``KubeError`` of kind `unauthenticated`, which quotes nothing that the program printed.
  func credential(timeLimit: Duration = .seconds(60)) async throws -> Credential {
    var variables: [Environment.Key: String?] = [:]
    for (name, value) in environment { variables[.init(stringLiteral: name)] = value }
    variables["KUBERNETES_EXEC_INFO"] = String(decoding: information.encoded(), as: UTF8.self)
    let command = self.command
    let arguments = self.arguments
    let overrides = variables
    var options = PlatformOptions()
    // Nobody is there to type: it has no terminal.
    options.createSession = true
    options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(100))]
    let platformOptions = options
    let output: [UInt8]
    do {
      output = try await withThrowingTaskGroup(of: [UInt8].self) { group in
        group.addTask {
          let result = try await Subprocess.run(
            command.contains("/") ? .path(FilePath(command)) : .name(command), arguments: Arguments(arguments),
            environment: .inherit.updating(overrides), platformOptions: platformOptions, output: .bytes(limit: Self.outputLimit),
            error: .discarded)
          guard result.terminationStatus.isSuccess else { throw Failed() }
          return result.standardOutput
        }
        group.addTask {
          try await Task.sleep(for: timeLimit)
          throw Failed()
        }
        defer { group.cancelAll() }
        return try await group.next() ?? []
      }
    } catch {
      let hint = installHint.isEmpty ? "" : ": \(installHint)"
      throw KubeError(.unauthenticated, "the program ‘\(command)’, which signs in to the cluster, did not give a credential\(hint)")
    }
    return try Self.read(output, command: command, apiVersion: apiVersion)
  }

  private struct Failed: Error {}

  private var information: JSONValue {
    var spec: JSONObject = ["interactive": false]
    spec["cluster"] = cluster
    return ["kind": "ExecCredential", "apiVersion": .string(apiVersion), "spec": .object(spec)]
  }

  /// Reads an `ExecCredential`.
  static func read(_ output: [UInt8], command: String, apiVersion: String) throws(KubeError) -> Credential {
    guard let document = try? JSONValue(parsing: output), document["kind"]?.string == "ExecCredential",
      document["apiVersion"]?.string == apiVersion, let status = document["status"]
    else {
      throw KubeError(.unauthenticated, "the program ‘\(command)’ did not print an ExecCredential of \(apiVersion)")
    }
    var credential = Credential()
    if let token = status["token"]?.string, !token.isEmpty { credential = .bearer(Redacted(token)) }
    if let chain = status["clientCertificateData"]?.string, let key = status["clientKeyData"]?.string {
      credential.certificate = Credential.Certificate(chain: Array(chain.utf8), key: Redacted(Array(key.utf8)))
    }
    guard credential.authorization != nil || credential.certificate != nil else {
      throw KubeError(.unauthenticated, "the program ‘\(command)’ gave neither a token nor a certificate")
    }
    if let text = status["expirationTimestamp"]?.string {
      guard let moment = Timestamp(parsing: text) else {
        throw KubeError(.unauthenticated, "the program ‘\(command)’ gave a credential that ends at no time")
      }
      credential.expires = moment
    }
    return credential
  }
}
