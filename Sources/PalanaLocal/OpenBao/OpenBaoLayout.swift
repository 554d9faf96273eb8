package import PalanaSecrets

/// Where everything of the daemon's own OpenBao stands below its folder. Each folder is for the daemon's user alone.
package struct OpenBaoLayout: Hashable, Sendable {
  /// For example `/var/lib/palana/openbao`.
  package let folder: String

  package init(folder: String) { self.folder = folder }

  /// The raft storage; everything in it is encrypted with a key that is sealed by ``sealKey``.
  package var data: String { folder + "/data" }
  /// Credentials and keys.
  package var keys: String { folder + "/keys" }
  package var run: String { folder + "/run" }
  package var socket: String { run + "/bao.sock" }
  package var process: String { run + "/server.process" }
  package var lock: String { run + "/lock" }
  /// 32 random bytes: who has them and the storage has every secret.
  package var sealKey: String { keys + "/seal.key" }
  /// There while the server is being initialised for the first time.
  package var initializing: String { keys + "/initializing" }
  /// The recovery key and, until the first set-up is complete, the root token.
  package var recovery: String { keys + "/recovery.json" }
  package var serverFile: String { folder + "/server.json" }
  package var log: String { folder + "/server.log" }

  /// The credential of a purpose.
  package func credential(_ purpose: SecretPurpose) -> String { "\(keys)/\(purpose.rawValue).json" }

  var folders: [String] { [folder, data, keys, run] }
}
