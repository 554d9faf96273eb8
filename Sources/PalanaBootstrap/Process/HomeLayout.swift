import Glibc
package import PalanaCore

/// Where everything of one installation stands below its home. Every folder is for the daemon's user alone.
package struct HomeLayout: Hashable, Sendable {
  package let home: String

  package init(home: String) { self.home = home }

  package var run: String { home + "/run" }
  package var controlSocket: String { run + "/control.sock" }
  package var lock: String { run + "/palanad.lock" }
  package var netns: String { run + "/netns" }
  package var database: String { home + "/db/palana.sqlite" }
  package var auditSpool: String { home + "/audit/spool" }
  package var auditDatabase: String { home + "/audit/audit.sqlite" }
  package var auditHeadKey: String { home + "/audit/head.key" }
  package var llm: String { home + "/llm" }
  package var openBao: String { home + "/openbao" }
  package var agents: String { home + "/agents" }
  package var data: String { home + "/data" }
  package var images: String { home + "/images" }
  package var log: String { home + "/log" }
  package var control: String { home + "/control" }
  package var controlToken: String { control + "/token" }
  /// Read when no `--config` is given.
  package var defaultConfiguration: String { home + "/config.yaml" }

  /// Makes the folders with mode 0700 and refuses a home that others can write to.
  ///
  /// - Throws: ``PalanaError`` with code `failed` that names the folder.
  package func prepare() throws(PalanaError) {
    try prepare([run, netns, home + "/db", auditSpool, llm, openBao, agents, data, images, log, control])
  }

  /// As ``prepare()``, with these folders below the home only.
  package func prepare(_ folders: [String]) throws(PalanaError) {
    for folder in [home, home + "/audit"] + folders { try Self.makeFolder(folder) }
    var status = stat()
    guard unsafe stat(home, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
      throw PalanaError(
        .failed, "\(home) belongs to somebody else, or others can write to it",
        hint: "chown root \(home) && chmod go-w \(home)")
    }
  }

  private static func makeFolder(_ path: String) throws(PalanaError) {
    var partial = ""
    for part in path.split(separator: "/") {
      partial += "/" + part
      if unsafe mkdir(partial, partial == path ? 0o700 : 0o755) != 0, errno != EEXIST {
        throw PalanaError(.failed, "the folder \(partial) could not be made: \(systemMessage(errno))")
      }
    }
  }
}

/// The system's words for an error number. Thread-safe in the C library that is used here (glibc 2.32 and newer).
package func systemMessage(_ number: Int32) -> String {
  guard let text = unsafe strerror(number) else { return "error \(number)" }
  return unsafe String(cString: text)
}
