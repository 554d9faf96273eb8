import Foundation

/// The strict provider of models (see `llm/upstream.py`) on this machine.
struct ModelServer: Sendable {
  /// What stands behind the agents' placeholders. Only the server knows it.
  static let openAI = "sk-real-value-of-the-openai-key"
  static let anthropic = "sk-ant-real-value-of-the-anthropic-key"

  static let relay = "sk-real-value-of-the-key-that-litellm-has"

  let folder: String
  let address: String
  let port: Int
  private let process: ServerProcess

  var url: String { "http://\(address):\(port)" }

  init() async throws {
    address = "127.\(Int.random(in: 80...250)).\(Int.random(in: 1...250)).\(Int.random(in: 2...250))"
    folder = "/tmp/palana-it-models-" + String(UInt32.random(in: .min ... .max), radix: 16)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let keys = #"{"authorization": "Bearer \#(Self.openAI)", "x-api-key": "\#(Self.anthropic)", "relay": "Bearer \#(Self.relay)"}"#
    process = try ServerProcess(
      Checkout.python, [Checkout.root + "IntegrationTests/llm/upstream.py", folder, address, keys], portFile: folder + "/port.json",
      log: folder + "/log")
    port = try await process.port()
  }

  private func log() throws -> [JSON] {
    guard let text = try? String(contentsOfFile: folder + "/received.jsonl", encoding: .utf8) else { return [] }
    // The last line may be under way.
    return try text.components(separatedBy: "\n").dropLast().map { try JSON(parsing: $0) }
  }

  /// Every request so far, for this model or for all of them.
  func received(_ model: String? = nil) throws -> [JSON] {
    try log().filter { !$0["faults"].isNull && (model == nil || $0["model"].string == model) }
  }

  /// How each answer for this model has ended: `done`, or `left` when the client closed the connection.
  func ends(_ model: String) throws -> [String] { try log().filter { $0["model"].string == model }.compactMap { $0["how"].string } }

  /// All that was ever wrong with what came in.
  func faults() throws -> [String] { try log().flatMap { $0["faults"].array.compactMap(\.string) } }

  /// Lets answers of the model `gate-TAG` begin.
  func open(_ gate: String) { _ = FileManager.default.createFile(atPath: folder + "/" + gate, contents: nil) }

  /// Bytes that the model `flood` could send so far.
  func flooded() -> Int { (try? String(contentsOfFile: folder + "/flooded", encoding: .utf8)).flatMap(Int.init) ?? 0 }

  func stop() {
    process.stop()
    try? FileManager.default.removeItem(atPath: folder)
  }
}
