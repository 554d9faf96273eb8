import Foundation
import PalanaCore
import Testing

@testable import PalanaCommands

@Suite("pcli: tar streams of agents are not trusted")
struct TarTests {
  private static func entry(
    _ path: String, flag: String = "0", link: String = "", content: String = "", mode: UInt32 = 0o644
  ) -> [UInt8] {
    let bytes = Array(content.utf8)
    return TarWriter.header(
      .init(path: path, link: link, mode: mode, size: Int64(bytes.count), modified: 0, flag: Array(flag.utf8)[0]))
      + bytes + [UInt8](repeating: 0, count: TarHeader.padding(Int64(bytes.count)))
  }

  private static let end = [UInt8](repeating: 0, count: 1024)

  private func extract(_ stream: [UInt8], into folder: TemporaryFolder, piece: Int = 700) throws -> TarExtractor {
    let extractor = try TarExtractor(into: folder.path, as: "out")
    for start in stride(from: 0, to: stream.count, by: piece) {
      try extractor.push(Array(stream[start..<min(start + piece, stream.count)]))
    }
    try extractor.finish()
    return extractor
  }

  @Test(
    "folders, files, links inside and hard links arrive, in pieces of any size",
    arguments: [1, 3, 511, 512, 513, 100_000])
  func honest(_ piece: Int) throws {
    let folder = try TemporaryFolder()
    let long = "d/" + String(repeating: "n", count: 150) + "é"
    let stream =
      Self.entry("./d/", flag: "5", mode: 0o755) + Self.entry("./d/a", content: "hello")
      + Self.entry("d/sub/b", content: String(repeating: "x", count: 1500))
      + Self.entry("d/l", flag: "2", link: "sub/b") + Self.entry("d/up", flag: "2", link: "../d/a")
      + Self.entry("d/h", flag: "1", link: "d/a")
      + Self.entry(long, content: "long") + Self.end
    let extractor = try extract(stream, into: folder, piece: piece)
    #expect(folder.read("out/a") == "hello" && folder.read("out/h") == "hello")
    #expect(folder.read("out/sub/b")?.count == 1500 && folder.read("out/l")?.count == 1500)
    #expect(folder.read("out" + long.dropFirst()) == "long")
    // `../d/a` from `out/` would leave: names are not what they were.
    #expect(extractor.skippedCount == 1 && extractor.fileCount == 4)
  }

  @Test("one file, and an archive of ‘.’")
  func shapes() throws {
    let single = try TemporaryFolder()
    _ = try extract(Self.entry("notes.txt", content: "n") + Self.end, into: single)
    #expect(single.read("out") == "n")
    let dot = try TemporaryFolder()
    _ = try extract(
      Self.entry("./", flag: "5", mode: 0o755) + Self.entry("./a", content: "1") + Self.entry("./s/b", content: "2")
        + Self.end, into: dot)
    #expect(dot.read("out/a") == "1" && dot.read("out/s/b") == "2")
  }

  @Test(
    "names that lead outside refuse the archive",
    arguments: ["/etc/x", "../x", "d/../../x", "d/..", "..", "/", "d/a/../../../x", "other/x", ""])
  func escapes(_ path: String) throws {
    let folder = try TemporaryFolder()
    let stream = Self.entry("d/", flag: "5", mode: 0o755) + Self.entry(path, content: "evil") + Self.end
    let error = #expect(throws: PalanaError.self) { try extract(stream, into: folder) }
    #expect(error?.code == .denied || path.isEmpty)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/out").isEmpty)
  }

  @Test("a link is never written through, whether the archive or somebody else made it")
  func links() throws {
    let folder = try TemporaryFolder()
    let outside = try TemporaryFolder()
    // A link and then a file below it: links are made last, so the file makes a folder, and the link then meets it.
    let through =
      Self.entry("d/", flag: "5", mode: 0o755) + Self.entry("d/l", flag: "2", link: "sub")
      + Self.entry("d/l/x", content: "evil") + Self.end
    _ = #expect(throws: PalanaError.self) { try extract(through, into: folder) }
    // A link that was there before.
    let other = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: other.path + "/out", withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(atPath: other.path + "/out/sub", withDestinationPath: outside.path)
    let below = Self.entry("d/", flag: "5", mode: 0o755) + Self.entry("d/sub/x", content: "evil") + Self.end
    let error = #expect(throws: PalanaError.self) { try extract(below, into: other) }
    #expect(error?.code == .denied)
    // A link in place of the file itself is replaced, not followed.
    let third = try TemporaryFolder()
    let victim = try outside.write("victim", "safe")
    try FileManager.default.createSymbolicLink(atPath: third.path + "/out", withDestinationPath: victim)
    _ = try extract(Self.entry("f", content: "new") + Self.end, into: third)
    #expect(outside.read("victim") == "safe" && third.read("out") == "new")
    #expect(try FileManager.default.contentsOfDirectory(atPath: outside.path) == ["victim"])
  }

  @Test(
    "links that leave, devices and the like are left out and counted",
    arguments: [
      ("2", "/etc/passwd"), ("2", "../../x"), ("2", "a/../../../x"), ("2", "a/.."), ("2", ""), ("3", ""), ("4", ""),
      ("6", ""), ("S", ""),
    ])
  func skipped(_ flag: String, _ link: String) throws {
    let folder = try TemporaryFolder()
    let stream =
      Self.entry("d/", flag: "5", mode: 0o755) + Self.entry("d/x", flag: flag, link: link)
      + Self.entry("d/y", content: "ok") + Self.end
    let extractor = try extract(stream, into: folder)
    #expect(extractor.skippedCount == 1)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/out") == ["y"])
  }

  @Test("hard links reach only what the archive itself brought, and no links")
  func hardLinks() throws {
    for link in ["/etc/passwd", "../x", "d/none", "d/l"] {
      let folder = try TemporaryFolder()
      let stream =
        Self.entry("d/", flag: "5", mode: 0o755) + Self.entry("d/l", flag: "2", link: "y")
        + Self.entry("d/x", flag: "1", link: link) + Self.end
      #expect(throws: PalanaError.self) { try extract(stream, into: folder) }
    }
  }

  @Test("bits that give rights are dropped")
  func modes() throws {
    let folder = try TemporaryFolder()
    _ = try extract(Self.entry("f", content: "x", mode: 0o6755) + Self.end, into: folder)
    let mode = try FileManager.default.attributesOfItem(atPath: folder.path + "/out")[.posixPermissions] as? Int
    #expect((mode ?? 0) & 0o7000 == 0)
  }

  @Test("damage is an error: cut short, wrong checksum, absurd numbers, nothing at all")
  func damage() throws {
    let whole = Self.entry("f", content: String(repeating: "x", count: 900)) + Self.end
    for length in [1, 511, 512, 700, 1400] {
      let folder = try TemporaryFolder()
      #expect(throws: PalanaError.self) { try extract(Array(whole.prefix(length)), into: folder) }
    }
    var wrong = whole
    wrong[0] ^= 1
    var big = whole
    for index in 124..<136 { big[index] = 0xff }
    for stream in [
      wrong, big, Self.end, Array("this is not a tar stream at all".utf8), [UInt8](repeating: 0x41, count: 1024),
    ] {
      let folder = try TemporaryFolder()
      #expect(throws: PalanaError.self) { try extract(stream, into: folder) }
    }
    var huge = TarHeader.write(.init(path: "x", link: "", mode: 0, size: 1 << 30, modified: 0, flag: UInt8(ascii: "L")))
    huge += [UInt8](repeating: 0x61, count: 4096)
    let folder = try TemporaryFolder()
    #expect(throws: PalanaError.self) { try extract(huge, into: folder) }
  }

  @Test("any bytes are survived: flipped bits, cut streams")
  func fuzz() throws {
    var generator = SystemRandomNumberGenerator()
    let good =
      Self.entry("d/", flag: "5", mode: 0o755) + Self.entry("d/" + String(repeating: "é", count: 80), content: "hello")
      + Self.entry("d/l", flag: "2", link: "a")
      + Self.end
    for _ in 0..<3000 {
      var stream = good
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        stream[Int.random(in: stream.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      var parser = TarParser()
      _ = try? parser.push(stream)
      try? parser.finish()
    }
  }

  @Test("what is written, the system's tar reads; what it writes is read here")
  func systemTar() throws {
    let source = try TemporaryFolder()
    _ = try source.write("tree/a.txt", "hello")
    _ = try source.write("tree/" + String(repeating: "long", count: 40) + "/ü.txt", "umlaut")
    _ = try source.write("tree/empty", "")
    _ = try source.write("tree/big", String(repeating: "0123456789", count: 20_000))
    try FileManager.default.createSymbolicLink(atPath: source.path + "/tree/link", withDestinationPath: "a.txt")
    let writer = TarWriter(source.path + "/tree", as: "tree")
    var stream: [UInt8] = []
    while let piece = try writer.next() { stream += piece }
    let target = try TemporaryFolder()
    try Data(stream).write(to: URL(filePath: target.path + "/x.tar"))
    try run("tar", "-xf", target.path + "/x.tar", "-C", target.path)
    try run("diff", "-r", "--no-dereference", source.path + "/tree", target.path + "/tree")
    for format in ["gnu", "pax", "ustar"] {
      if format == "ustar" {
        try FileManager.default.removeItem(atPath: source.path + "/tree/" + String(repeating: "long", count: 40))
      }
      let back = try TemporaryFolder()
      try run("tar", "--format", format, "-cf", back.path + "/y.tar", "-C", source.path, "tree")
      let extractor = try extract(
        Array(try Data(contentsOf: URL(filePath: back.path + "/y.tar"))), into: back, piece: 10_000)
      try run("diff", "-r", "--no-dereference", source.path + "/tree", back.path + "/out")
      #expect(extractor.skippedCount == 0)
    }
  }

  private func run(_ words: String...) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = words
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(words)")
  }

  @Test("sides of a copy")
  func places() throws {
    #expect(try CopyPlace("a.txt") == .local("a.txt"))
    #expect(try CopyPlace("./a:b") == .local("./a:b"))
    #expect(try CopyPlace("-") == .standard)
    #expect(try CopyPlace("demo:/data/x") == .agent(name: "demo", path: "/data/x", isFolder: false))
    #expect(try CopyPlace("demo:/data//x/") == .agent(name: "demo", path: "/data/x", isFolder: true))
    #expect(try CopyPlace("demo:") == .agent(name: "demo", path: "/data", isFolder: true))
    for text in ["", "demo:x", "demo:/a/../b", "Demo:/x"] { #expect(throws: PalanaError.self) { try CopyPlace(text) } }
  }
}
