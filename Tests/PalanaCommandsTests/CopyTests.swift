import Foundation
import PalanaCore
import Synchronization
import Testing

@testable import PalanaCommands

@Suite("pcli: cp")
struct CopyTests {
  /// A server whose agent has one folder `/data` and keeps what is put.
  private func copy(_ words: [String], input: [UInt8]? = nil, tree: [UInt8] = []) async throws -> CommandResult {
    try await CommandRunner.run(["cp"] + words, input: input) { exchange in
      let request = exchange.request
      switch (request.method, request.uri) {
      case ("PUT", _): try await exchange.reply(204, "")
      case ("GET", "/v1/agents/demo/files?path=%2Fdata"):
        try await exchange.begin(type: "application/x-tar")
        try await exchange.write(tree)
        try await exchange.end()
      default: try await exchange.reply(404, #"{"error":{"code":"not_found","message":"no such path","hint":""}}"#)
      }
    }
  }

  private static func folder(_ name: String) -> [UInt8] {
    TarWriter.header(.init(path: name + "/", link: "", mode: 0o755, size: 0, modified: 0, flag: UInt8(ascii: "5")))
  }

  @Test(
    "a folder receives the file under its own name, another name renames it",
    arguments: [
      ("demo:/data", "%2Fdata", "notes.txt"), ("demo:/data/", "%2Fdata", "notes.txt"),
      ("demo:/data/new.txt", "%2Fdata", "new.txt"),
      ("demo:", "%2Fdata", "notes.txt"), ("demo:/top", "%2F", "top"),
    ])
  func upload(_ target: String, _ folder: String, _ name: String) async throws {
    let source = try TemporaryFolder()
    let file = try source.write("notes.txt", "hello")
    let result = try await copy([file, target], tree: Self.folder("data"))
    #expect(result.code == 0, "\(result.error)")
    let put = try #require(result.requests.last)
    #expect(put.method == "PUT" && put.uri == "/v1/agents/demo/files?path=\(folder)")
    var parser = TarParser()
    let events = try parser.push(put.body)
    guard case .entry(let entry)? = events.first else { return #expect(Bool(false)) }
    #expect(entry.path == name && entry.size == 5)
    #expect(events.contains(.data(Array("hello".utf8))))
  }

  @Test("a download goes into a folder, or becomes the name")
  func download() async throws {
    let content = Array("hi".utf8)
    let tree =
      Self.folder("data")
      + TarWriter.header(.init(path: "data/a", link: "", mode: 0o644, size: 2, modified: 0, flag: UInt8(ascii: "0")))
      + content
      + [UInt8](repeating: 0, count: 510 + 1024)
    let target = try TemporaryFolder()
    #expect(try await copy(["demo:/data", target.path], tree: tree).code == 0)
    #expect(target.read("data/a") == "hi")
    #expect(try await copy(["demo:/data", target.path + "/mine"], tree: tree).code == 0)
    #expect(target.read("mine/a") == "hi")
    let stream = try await copy(["demo:/data", "-"], tree: tree)
    #expect(stream.output.utf8.count == tree.count)
    let evil = try await copy(
      ["demo:/data", target.path + "/evil"],
      tree: Self.folder("data")
        + TarWriter.header(
          .init(path: "../../evil", link: "", mode: 0o644, size: 0, modified: 0, flag: UInt8(ascii: "0"))))
    #expect(evil.code == 4)
  }

  @Test("a tar stream from standard input goes up as it is")
  func input() async throws {
    let tree = Self.folder("x") + [UInt8](repeating: 0, count: 1024)
    let result = try await copy(["-", "demo:/data/"], input: tree)
    #expect(result.code == 0 && result.requests.last?.body == tree)
  }

  @Test(
    "what makes no sense",
    arguments: [
      (["a", "b"], 2), (["demo:/a", "demo:/b"], 2), (["/nonexistent/x", "demo:/data/"], 3),
      (["demo:/none", "/tmp/"], 3),
    ])
  func wrong(_ words: [String], _ code: Int) async throws {
    #expect(try await copy(words).code == Int32(code))
  }
}
