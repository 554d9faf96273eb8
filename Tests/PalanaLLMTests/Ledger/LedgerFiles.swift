import Foundation
import PalanaCore

/// What a daemon that dies now leaves: a copy of its journal and its database, without its lock.
func copyFolder(_ from: String, to: String) throws {
  let files = FileManager.default
  try files.createDirectory(atPath: to + "/journal", withIntermediateDirectories: true)
  for name in try files.contentsOfDirectory(atPath: from) where name.hasPrefix("llm.db") {
    try files.copyItem(atPath: from + "/" + name, toPath: to + "/" + name)
  }
  for name in try files.contentsOfDirectory(atPath: from + "/journal") where name.hasSuffix(".jsonl") {
    try files.copyItem(atPath: from + "/journal/" + name, toPath: to + "/journal/" + name)
  }
}

/// The files of a journal, in their order.
func journalFiles(_ folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder + "/journal").filter { $0.hasSuffix(".jsonl") }.sorted().map {
    folder + "/journal/" + $0
  }
}
