import Foundation
import PalanaCore

/// Keeps ``EngineMemory`` in one small file for each agent, replaced as a whole.
struct EngineMemoryStore: Sendable {
  /// Folder that holds `ID/engine.json`.
  let folder: String

  /// Nil: nothing is remembered, or the file is damaged (then a new start puts it right).
  func read(_ id: AgentID) -> EngineMemory? {
    guard let data = FileManager.default.contents(atPath: path(id)) else { return nil }
    return try? JSONDecoder().decode(EngineMemory.self, from: data)
  }

  /// - Throws: ``PalanaError`` with code `failed`: a start that could not be remembered must not happen.
  func write(_ memory: EngineMemory, for id: AgentID) throws(PalanaError) {
    do {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/\(id)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try JSONEncoder().encode(memory).write(to: URL(filePath: path(id)), options: .atomic)
    } catch {
      throw PalanaError(.failed, "the engine's notes on \(id) could not be written: \(error.localizedDescription)")
    }
  }

  func remove(_ id: AgentID) { try? FileManager.default.removeItem(atPath: path(id)) }

  private func path(_ id: AgentID) -> String { "\(folder)/\(id)/engine.json" }
}
