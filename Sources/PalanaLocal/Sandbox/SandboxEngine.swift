package import PalanaCore
import PalanaPlan

extension SandboxRuntime: AgentEngine {
  package func waitForExit(of agent: AgentID) async throws(PalanaError) -> Int32 {
    try await awaitExit(of: agent).code
  }
}
