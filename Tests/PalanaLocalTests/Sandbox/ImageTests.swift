import Glibc
import PalanaAPI
import PalanaCore
import PalanaPlan
import Synchronization
import Testing

@testable import PalanaLocal

extension SandboxSuites {
  @Suite("images", .enabled(if: ImageFixture.isPossible, "needs umoci, skopeo and busybox"))
  struct Images {
    @Test("entry point, command, environment, folder and user of the image; its files with their owners; read-only")
    func runs() async throws {
      try await SandboxFixture.run { fixture in
        let layout = try await ImageFixture.make(
          in: fixture.home,
          script: """
            echo open > etc/open; chmod 644 etc/open
            echo closed > etc/closed; chmod 600 etc/closed
            echo mine > etc/mine; chmod 600 etc/mine; chown 777:778 etc/mine
            mkdir srv; chmod 755 srv
            echo 'web:x:777:778:web:/srv:/bin/sh' > etc/passwd; echo 'staff:x:778:' > etc/group
            echo 'exec "$@"' > bin/entry; chmod 755 bin/entry; ln -s /bin/busybox bin/stat2
            """,
          [
            "--config.entrypoint", "/bin/sh", "--config.entrypoint", "/bin/entry", "--config.cmd", "/bin/sh",
            "--config.cmd", "-c", "--config.cmd",
            "id; pwd; echo $FROM; cat /etc/open /etc/closed /etc/mine; touch /x /etc/y; touch /data/z && stat -c '%u:%g' /data/z; stat -c '%u:%g %a' /etc/closed; tail -c 8 /etc/ssl/certs/ca-certificates.crt; cat /etc/hostname",
            "--config.env", "FROM=image", "--config.workingdir", "/srv", "--config.user", "web",
          ])
        let archive = try await ImageFixture.archive(layout)
        for reference in ["oci:\(layout):test", "oci-archive:\(archive)"] {
          let (text, exit) = try await fixture.finish(try fixture.plan([], image: reference))
          #expect(exit.code == 0)
          #expect(
            text.split(separator: "\n").sorted()
              == [
                "uid=777(web) gid=778(staff)", "/srv", "image", "open", "mine",
                "cat: can't open '/etc/closed': Permission denied",
                "touch: /x: Read-only file system", "touch: /etc/y: Read-only file system", "777:778", "0:0 600",
                "test CA", "demo",
              ].sorted().map { Substring($0) }, "\(text)")
        }
      }
    }

    @Test("an image that wants root gets an ordinary user with a name, and a written command wins")
    func rootless() async throws {
      try await SandboxFixture.run { fixture in
        let layout = try await ImageFixture.make(
          in: fixture.home, ["--config.cmd", "/bin/false", "--config.user", "root"])
        let (text, exit) = try await fixture.finish(
          try fixture.plan(["/bin/id"], image: "oci:\(layout):test"))
        #expect(exit.code == 0)
        #expect(text == "uid=1000(agent) gid=1000 groups=1000\n" || text == "uid=1000(agent) gid=1000\n", "\(text)")
      }
    }

    @Test("links in a hostile image lead nowhere on the machine")
    func hostile() async throws {
      try await SandboxFixture.run { fixture in
        let victim = fixture.home + "/victim"
        try Files.makeFolder(victim, mode: 0o777)
        try Files.write(Array("evil:x:0:0::/:/bin/sh\n".utf8), to: victim + "/passwd", mode: 0o666)
        let layout = try await ImageFixture.make(
          in: fixture.home,
          script: """
            rm -rf etc; ln -s \(victim) etc; ln -s \(victim) data; ln -s / run; ln -s ../../../../../../../../../\(victim) .palana
            """,
          ["--config.cmd", "/bin/id", "--config.user", "evil"])
        // Its /etc is a folder of the machine that does not exist inside: so there is no user `evil`.
        await #expect { try await fixture.start(try fixture.plan([], image: "oci:\(layout):test")) } throws: {
          ($0 as? PalanaError)?.code == .invalid
        }
        // Another user, by number: whether it starts or not, nothing of it appears on the machine.
        let numbered = try await ImageFixture.make(
          in: fixture.home, script: "rm -rf etc; ln -s \(victim) etc; ln -s \(victim) data",
          ["--config.cmd", "/bin/id", "--config.user", "5:5"])
        _ = try? await fixture.finish(try fixture.plan([], image: "oci:\(numbered):test"))
        #expect(Files.names(in: victim) == ["passwd"])
      }
    }

    @Test(
      "fetched and unpacked once for many, with progress, again when the file changed, and pruned when nobody needs it")
    func cache() async throws {
      try await SandboxFixture.run { fixture in
        let layout = try await ImageFixture.make(in: fixture.home, ["--config.cmd", "/bin/true"])
        let archive = try await ImageFixture.archive(layout)
        let reference = "oci-archive:\(archive)"
        let said = Sayings()
        let images = fixture.runtime.images
        let all = try await withThrowingTaskGroup(of: ImageStore.Unpacked.self) { group in
          for _ in 0..<20 { group.addTask { try await images.ensure(reference) { said.add($0) } } }
          return try await group.reduce(into: Set<ImageStore.Unpacked>()) { $0.insert($1) }
        }
        #expect(all.count == 1)
        #expect(said.all.filter { $0.hasPrefix("unpacking") }.count == 1)
        let before = said.all.count
        _ = try await images.ensure(reference) { said.add($0) }
        #expect(said.all.count == before)
        // The same name, other contents.
        let other = try await ImageFixture.make(
          in: fixture.home, script: "echo new > etc/new", ["--config.cmd", "/bin/true"])
        let changed = try await ImageFixture.archive(other)
        try Files.move(changed, to: archive)
        let second = try await images.ensure(reference)
        #expect(!all.contains(second))
        // One is used by a run, one by a reference that is kept; then neither.
        let plan = try fixture.plan([], image: reference)
        _ = try await fixture.finish(plan)
        let removed = try await fixture.runtime.pruneImages(keeping: [])
        #expect(removed == all.map(\.digest))
        try await fixture.runtime.remove(plan.id, purge: true)
        #expect(
          try await fixture.runtime.pruneImages(keeping: [reference]).isEmpty == false || Files.exists(second.rootfs))
        _ = try await fixture.runtime.pruneImages(keeping: [])
        #expect(!Files.exists(second.rootfs))
      }
    }

    @Test("what cannot be had says what to do")
    func failures() async throws {
      try await SandboxFixture.run { fixture in
        let images = fixture.runtime.images
        let layout = try await ImageFixture.make(in: fixture.home, ["--config.cmd", "/bin/true"])
        try Files.write(Array("no archive".utf8), to: fixture.home + "/broken.tar")
        let cases: [(String, Set<PalanaError.Code>)] = [
          ("oci-archive:\(fixture.home)/missing.tar", [.notFound]), ("oci:\(fixture.home)/missing:test", [.notFound]),
          ("oci:\(layout):no-such-tag", [.notFound]),
          ("oci-archive:\(fixture.home)/broken.tar", [.invalid, .notFound]),
          ("127.0.0.1:9/none/such:1", [.unreachable]), ("oci-archive:relative.tar", [.invalid]), ("a b", [.invalid]),
        ]
        for (reference, codes) in cases {
          do throws(PalanaError) {
            _ = try await images.ensure(reference)
            Issue.record("\(reference) was had")
          } catch {
            #expect(codes.contains(error.code), "\(reference): \(error)")
            #expect(!error.hint.isEmpty || error.code == .invalid)
          }
        }
        #expect(Files.names(in: fixture.runtime.paths.images).filter { $0.hasPrefix("draft") }.isEmpty)
      }
    }

    @Test("a program that a template requires is looked for in the image")
    func requires() async throws {
      try await SandboxFixture.run { fixture in
        let layout = try await ImageFixture.make(in: fixture.home, ["--config.cmd", "/bin/true"])
        let reference = "oci:\(layout):test"
        let good = try fixture.plan(["/bin/true"], image: reference, requires: [RequiredProgram(name: "sh", hint: "")])
        _ = try await fixture.finish(good)
        let bad = try fixture.plan(
          ["/bin/true"], image: reference, requires: [RequiredProgram(name: "python3", hint: "another image")])
        await #expect { try await fixture.start(bad) } throws: { ($0 as? PalanaError)?.hint == "another image" }
      }
    }

    @Test("files can be copied although the image has no tar")
    func copies() async throws {
      try await SandboxFixture.run { fixture in
        let layout = try await ImageFixture.make(
          in: fixture.home,
          [
            "--config.cmd", "/bin/sh", "--config.cmd", "-c", "--config.cmd",
            "echo hi > /data/file; echo ready; sleep 600",
          ])
        let plan = try fixture.plan([], image: "oci:\(layout):test")
        try await fixture.start(plan)
        try await fixture.wait(for: "ready", in: plan.id)
        var out: [UInt8] = []
        for try await piece in try await fixture.runtime.copyOut(from: plan.id, path: "/data/file") { out += piece }
        #expect(out.count >= 1024 && String(decoding: out[512..<514], as: UTF8.self) == "hi")
      }
    }
  }
}

/// What a progress callback was told.
private final class Sayings: Sendable {
  private let texts = Mutex<[String]>([])
  var all: [String] { texts.withLock { $0 } }
  func add(_ text: String) { texts.withLock { $0.append(text) } }
}
