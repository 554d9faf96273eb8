import Foundation
import Testing

/// A proxy-only secret's value is in the secret store and nowhere else on this machine.
@Suite struct CanaryTests {
  @Test func theValueIsFoundNowhere() async throws {
    try await withPlatform { platform in
      // Made from two parts at run time, so that no file of the tests holds it.
      let canary = "canary" + String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
      let host = "allowed.test:\(platform.upstream.httpsPort)"
      try await platform.pcli("create", "blind", "--template", "shell")
      try await platform.pcli("egress", "allow", "blind", host)
      try await platform.pcli("secrets", "add", "blind", "CANARY", "token=-", "--host", host, input: canary)
      try await platform.pcli("run", "blind")
      let answer = try await platform.ask(
        "blind", platform.https("allowed.test") + "/echo", headers: [["authorization", "Bearer TOKEN_CANARY"]])
      #expect(answer.status == 200)
      // It was used: the search below looks for something that exists.
      #expect(try String(contentsOfFile: platform.upstream.folder + "/received.jsonl", encoding: .utf8).contains(canary))
      #expect(!answer.body.contains(canary))
      try await waitUntil("the request's event is stored") { try await !platform.egressEvents("blind").isEmpty }
      let audit = try await platform.pcli("audit", "--limit", "10000", "-o", "json").output
      #expect(audit.contains("CANARY") && !audit.contains(canary))

      let pattern = platform.upstream.folder + "/canary"
      try canary.write(toFile: pattern, atomically: true, encoding: .utf8)
      // The store's own storage may hold it, sealed or not; mounts of the machine's /usr are not the platform's.
      let files = try await run(
        "/usr/bin/find",
        [
          platform.home, "-xdev", "-path", platform.home + "/openbao/data", "-prune", "-o", "-type", "f", "-exec",
          "grep", "-laF", "-f", pattern, "{}", "+",
        ])
      #expect(files.output == "", "files of the home hold it")
      // grep alone finds nothing with code 1; what it cannot read it says on its standard error, and goes on.
      let processes = try await run(
        "/bin/sh", ["-c", "grep -laF -f \"$0\" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null", pattern])
      #expect(processes.output == "", "environments or command lines hold it")
      let inside = try await platform.python(
        "blind",
        """
        import os, sys
        def look(path):
            try:
                with open(path, "rb") as f: data = f.read(1 << 20)
            except OSError: return
            if b"\(canary.prefix(10))" + b"\(canary.dropFirst(10))" in data: print(path)
        for top in ("/data", "/run", "/tmp", "/etc", "/var"):
            for folder, _, files in os.walk(top):
                for name in files: look(os.path.join(folder, name))
        for pid in filter(str.isdigit, os.listdir("/proc")): look("/proc/" + pid + "/environ")
        """)
      #expect(inside == "", "files or environments inside hold it")
    }
  }
}
