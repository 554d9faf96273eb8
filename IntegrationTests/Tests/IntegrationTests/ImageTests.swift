import Foundation
import Testing

/// Agents from OCI images that are made here.
@Suite struct ImageTests {
  @Test func anImageBecomesAnAgent() async throws {
    let platform = try await Platform.shared.get()
    let folder = platform.home + "-image"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let archive = try await Self.make(in: folder)
    for reference in ["oci-archive:\(archive)", "oci:\(folder)/layout:latest"] {
      let greet = ["--wait", "--", "/bin/sh", "-c", "cat /greeting; id -u; exit 4"]
      try await platform.pcli(["run", "imaged", "--image", reference] + greet, expect: 4)
      let logs = try await platform.pcli("logs", "imaged").output
      #expect(logs.contains("from the image"))
      #expect(!logs.contains("\n0\n"), "it does not run as root: \(logs)")
      // Nothing of the machine's own files is there, and the image cannot be written.
      let look = ["--wait", "--", "/bin/sh", "-c", "test ! -e /usr/bin/python3 && ! touch /bin/x && touch /data/x"]
      try await platform.pcli(["run", "bare", "--image", reference] + look)
      for agent in ["imaged", "bare"] { try await platform.pcli("delete", agent, "--purge") }
    }
    let missing = try await platform.pcli("run", "nothing", "--image", "oci-archive:\(folder)/missing.tar", expect: 1)
    #expect(missing.error.contains("missing.tar"), "\(missing)")
    try await platform.pcli("delete", "nothing", "--purge")
  }

  /// A small image of one static program, as a folder `layout` and as an archive.
  private static func make(in folder: String) async throws -> String {
    let script = """
      set -eu
      mkdir -p "$0/root/bin" && cd "$0"
      cp /bin/busybox root/bin/busybox
      for name in sh cat id test touch sleep; do ln -s busybox root/bin/$name; done
      echo "from the image" > root/greeting
      umoci init --layout layout
      umoci new --image layout:latest
      umoci insert --image layout:latest root /
      umoci config --image layout:latest --config.user 1234:1234 --config.cmd /bin/sh
      skopeo copy -q oci:layout:latest oci-archive:image.tar
      """
    let made = try await run("/bin/sh", ["-c", script, folder])
    try #require(made.code == 0, "\(made)")
    return folder + "/image.tar"
  }
}
