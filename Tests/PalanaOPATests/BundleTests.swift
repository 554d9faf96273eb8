import PalanaCore
import Testing

@testable import PalanaOPA

@Suite struct BundleTests {
  private func files(_ archive: [UInt8]) throws -> [[String]] {
    try TarArchive.files(archive, name: "b", mostEntries: 16).map(\.path)
  }

  @Test func readsPlainAndLongNames() throws {
    let long = String(repeating: "d/", count: 80) + "x.rego"
    let record = "path=\(long)\n"
    let length = record.utf8.count + 4
    let archive =
      TestArchive.entry("./a/", "", type: "5") + TestArchive.entry("./a/b.rego", "package b")
      + TestArchive.entry("pax", "\(length) \(record)", type: "x") + TestArchive.entry("cut", "package c")
      + TestArchive.entry("././@LongLink", long + "2", type: "L") + TestArchive.entry("cut", "package d")
      + TestArchive.end
    #expect(
      try files(archive) == [
        ["a", "b.rego"], long.split(separator: "/").map(String.init),
        (long + "2").split(separator: "/").map(String.init),
      ])
  }

  @Test func refusesWhatABundleIsNot() {
    let good = TestArchive.entry("a.rego", "package a")
    var damaged = good + TestArchive.end
    damaged[3] ^= 1
    for archive in [
      TestArchive.entry("../a.rego", "x") + TestArchive.end, TestArchive.entry("a/../../b.rego", "x") + TestArchive.end,
      TestArchive.entry("link", "", type: "2") + TestArchive.end,
      TestArchive.entry("hard", "", type: "1") + TestArchive.end,
      TestArchive.entry("device", "", type: "3") + TestArchive.end, good + good + TestArchive.end, damaged, good,
      Array(good.prefix(600)), [UInt8](repeating: 1, count: 2048),
      TestArchive.header("a", size: 1 << 30) + TestArchive.end,
      TestArchive.entry("p", "99 path=x\n", type: "x") + good + TestArchive.end,
      TestArchive.entry("p", "12 size=999\n", type: "x") + good + TestArchive.end,
      (0..<40).flatMap { TestArchive.entry("f\($0)", "x") } + TestArchive.end,
    ] {
      #expect(throws: PalanaError.self) { try files(archive) }
    }
  }

  @Test func randomDamageNeverTraps() {
    var state: UInt64 = 42
    func next() -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33)
    }
    let good = TestArchive.tar([
      ("a.rego", "package a"), ("b/data.json", "{}"), ("c.rego", String(repeating: "x", count: 700)),
    ])
    for _ in 0..<3000 {
      var archive = good
      for _ in 0...(next() % 4) { archive[next() % archive.count] = UInt8(next() % 256) }
      _ = try? files(Array(archive.prefix(next() % archive.count)))
      _ = try? files(archive)
    }
  }

  @Test func unpacksWithinItsLimit() throws {
    let folder = try Folder()
    defer { folder.remove() }
    let content = [UInt8](repeating: 7, count: 200_000)
    try folder.write("b.tar.gz", bytes: TestArchive.gzip(content))
    #expect(try GzipFile.read(folder.path + "/b.tar.gz", limit: 200_000) == content)
    #expect(throws: PalanaError.self) { try GzipFile.read(folder.path + "/b.tar.gz", limit: 199_999) }
    var damaged = TestArchive.gzip(content)
    damaged[damaged.count - 6] ^= 1
    try folder.write("d.tar.gz", bytes: damaged)
    #expect(throws: PalanaError.self) { try GzipFile.read(folder.path + "/d.tar.gz", limit: 1 << 20) }
    #expect(throws: PalanaError.self) { try GzipFile.read(folder.path + "/none.tar.gz", limit: 1) }
  }
}
