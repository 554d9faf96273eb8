import Foundation
import PalanaCore
import PalanaSecrets
import Testing

/// What stands in the folder of an agent's secrets.
@Suite struct SecretFolderTests {
  private func withFolder(_ body: (String, SecretFolder) async throws -> Void) async throws {
    let path = "/tmp/secret-folder-\(RandomToken.hex(bytes: 6))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await body(path, SecretFolder(path: path))
  }

  /// Paths that a reader finds, links followed, with their contents.
  private func found(_ path: String) throws -> [String: String] {
    var result: [String: String] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: path) where !name.hasPrefix(".") {
      let entry = "\(path)/\(name)"
      if let text = try? String(contentsOfFile: entry, encoding: .utf8) {
        result[name] = text
      } else {
        for key in try FileManager.default.contentsOfDirectory(atPath: entry) {
          result["\(name)/\(key)"] = try String(contentsOfFile: "\(entry)/\(key)", encoding: .utf8)
        }
      }
    }
    return result
  }

  private func values(_ values: [String: [String: String]]) -> [String: [String: Redacted<String>]] {
    values.mapValues { $0.mapValues { Redacted($0) } }
  }

  @Test func itHoldsExactlyWhatIsSaid() async throws {
    try await withFolder { path, folder in
      /// One after the other, also from a file to a folder and back.
      let steps: [([String: [String: String]], [String: String])] = [
        (["DB": ["user": "u", "password": "p"], "ONE": ["any": "1"]], ["DB/user": "u", "DB/password": "p", "ONE": "1"]),
        (["DB": ["user": "u2", "password": "p2"], "ONE": ["any": "1"]], ["DB/user": "u2", "DB/password": "p2", "ONE": "1"]),
        (["DB": ["password": "p3"], "ONE": ["a": "1", "b.c": "2\n"]], ["DB": "p3", "ONE/a": "1", "ONE/b.c": "2\n"]),
        (["DB": ["user": "", "password": "p3"]], ["DB/user": "", "DB/password": "p3"]), ([:], [:]), (["X": [:]], [:]),
      ]
      for (wanted, files) in steps {
        try await folder.set(values(wanted))
        #expect(try found(path) == files)
        let isChanged = try await folder.set(values(wanted))
        #expect(!isChanged)
        // Nothing of before is left, under whatever name.
        let all = try FileManager.default.contentsOfDirectory(atPath: path)
        #expect(all.count == wanted.values.reduce(0) { $0 + min($1.count, 2) }, "\(all)")
      }
    }
  }

  @Test func filesAreForTheirOwnerAndNotWritable() async throws {
    try await withFolder { path, folder in
      try await folder.set(values(["A": ["k": "v"], "B": ["k": "v", "l": "w"]]))
      for file in ["A", "B/k", "B/l"] {
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(path)/\(file)")
        #expect(attributes[.posixPermissions] as? Int == 0o400, "\(file)")
      }
    }
  }

  /// A process that was killed leaves anything; the next one makes it right.
  @Test func whatAnEarlierProcessLeftGoes() async throws {
    try await withFolder { path, folder in
      try "old".write(toFile: path + "/GONE", atomically: false, encoding: .utf8)
      try "half".write(toFile: path + "/.new-A", atomically: false, encoding: .utf8)
      try FileManager.default.createDirectory(atPath: path + "/.B.00000000", withIntermediateDirectories: false)
      try "half".write(toFile: path + "/.B.00000000/k", atomically: false, encoding: .utf8)
      try await folder.set(values(["A": ["k": "v"]]))
      #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["A"])
      #expect(try found(path) == ["A": "v"])
    }
  }

  @Test(arguments: [("../A", "k"), ("A/B", "k"), (".A", "k"), ("A", "../k"), ("A", "a/b"), ("A", ".."), ("A", ".")])
  func noNameLeadsOut(name: String, key: String) async throws {
    try await withFolder { path, folder in
      await #expect(throws: PalanaError.self) { try await folder.set(values([name: [key: "v", "other": "w"]])) }
      let left = try FileManager.default.contentsOfDirectory(atPath: path)
      #expect(left.isEmpty)
    }
  }

  /// Who reads while it changes sees one whole or the other.
  @Test(.timeLimit(.minutes(1))) func aSecretChangesAsAWhole() async throws {
    try await withFolder { path, folder in
      try await folder.set(values(["DB": ["a": "0", "b": "0"]]))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for step in 1...200 { try await folder.set(["DB": ["a": Redacted("\(step)"), "b": Redacted("\(step)")]]) }
        }
        group.addTask {
          for _ in 0..<200 {
            // As programs do that read several files of one moment: by the folder that the name meant then.
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path + "/DB"),
              let first = try? String(contentsOfFile: "\(path)/\(target)/a", encoding: .utf8),
              let second = try? String(contentsOfFile: "\(path)/\(target)/b", encoding: .utf8)
            {
              #expect(first == second)
            }
            await Task.yield()
          }
        }
        try await group.waitForAll()
      }
      #expect(try found(path) == ["DB/a": "200", "DB/b": "200"])
    }
  }
}
