import PalanaCore
import Subprocess

/// The `nft` program, for the one thing that is rare and large: loading whole tables. Elements, generations and listings are
/// spoken to the kernel directly.
///
/// The library behind it (libnftables) is not used in process: it ends the whole process with `exit` when a socket cannot be
/// opened or an answer of the kernel surprises it, and a daemon that holds every agent's gateway must not die of that.
enum FirewallProgram {
  /// Folders that programs are taken from, whatever the daemon's own `PATH` says.
  private static let searchPath = "/usr/sbin:/sbin:/usr/bin:/bin"

  /// Loads a script in one transaction.
  /// - Throws: ``PalanaError`` with code `failed` and what `nft` said; also when it does not end within thirty seconds.
  static func load(_ script: String) async throws(PalanaError) {
    let failure: String?
    do {
      failure = try await withThrowingTaskGroup(of: String?.self) { group in
        group.addTask {
          let result = try await run(
            .name("nft"), arguments: ["-f", "-"], environment: .custom(["PATH": searchPath, "LC_ALL": "C"]),
            input: .string(script), output: .string(limit: 65536), error: .string(limit: 65536))
          guard !result.terminationStatus.isSuccess else { return nil }
          return String(result.standardError.prefix(1000))
        }
        group.addTask {
          try await Task.sleep(for: .seconds(30))
          return "it did not end within thirty seconds"
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
      }
    } catch {
      throw PalanaError(
        .failed, "nft could not be run: \(error)", hint: "install nftables (package nftables, version 1.0.6 or newer)")
    }
    if let failure { throw PalanaError(.failed, "nft refused the firewall: \(failure)") }
  }
}
