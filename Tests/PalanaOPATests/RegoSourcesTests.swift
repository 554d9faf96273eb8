import FoundationEssentials
import PalanaCore
import Testing

@testable import PalanaOPA

@Suite struct RegoSourcesTests {
  @Test func readsFoldersAsBundlesAreRead() throws {
    let folder = try Folder()
    defer { folder.remove() }
    for name in [
      "a.rego", "b/c.rego", "b/data.json", "data.json", "b/other.json", "readme.md", ".hidden/x.rego", ".y.rego",
    ] {
      try folder.write(name, "{}")
    }
    // As a mounted ConfigMap has it: files that are links into a hidden folder. A loop of folders must not hang.
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/linked.rego", withDestinationPath: ".hidden/x.rego")
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/b/loop", withDestinationPath: "..")
    let sources = try RegoSources.load([folder.path])
    #expect(sources.policies.map { $0.name.dropFirst(folder.path.count + 1) } == ["a.rego", "b/c.rego", "linked.rego"])
    #expect(sources.data.map(\.path) == [["b"], []])
    let single = try RegoSources.load([folder.path + "/a.rego", folder.path + "/b/other.json"])
    #expect(single.policies.count == 1)
    #expect(single.data.first?.path == [])
  }

  @Test func refusesWhatItCannotRead() throws {
    let folder = try Folder()
    defer { folder.remove() }
    try folder.write("a.rego", "package a")
    try folder.write("bad.rego", bytes: [0xff, 0xfe])
    try folder.write("x.txt", "x")
    try folder.write("big.rego", bytes: [UInt8](repeating: 32, count: RegoSources.largestFile + 1))
    try folder.write("deep/" + String(repeating: "d/", count: 20) + "a.rego", "package a")
    for paths in [
      ["/nonexistent"], [folder.path + "/bad.rego"], [folder.path + "/x.txt"], [folder.path + "/big.rego"],
      [folder.path + "/deep"],
      [folder.path + "/a.rego", folder.path + "/a.rego"],
    ] {
      let error = #expect(throws: PalanaError.self) { try RegoSources.load(paths) }
      #expect(error?.code == .invalid)
      #expect(error?.message.contains("/") == true, "it names the file")
    }
  }
}
