import PalanaAPI
package import PalanaCore

extension LocalEngine {
  /// Stops every sandbox at the end of the platform. What each agent wants stays as it is, so the next start brings them back.
  ///
  /// - Throws: the first ``PalanaError``, after all have been tried.
  package func stopEverything() async throws(PalanaError) {
    var running: [AgentID] = []
    for (id, state) in runtime.list() {
      guard case .running = state else { continue }
      running.append(id)
      if var remembered = memory.read(id) {
        remembered.endedByEngine = true
        try? memory.write(remembered, for: id)
      }
    }
    let runtime = self.runtime
    let failures = await withTaskGroup(of: PalanaError?.self) { group in
      for id in running {
        group.addTask {
          do throws(PalanaError) {
            _ = try await runtime.stop(id, grace: .seconds(10))
            return nil
          } catch {
            return error
          }
        }
      }
      var failures: [PalanaError] = []
      for await failure in group { if let failure { failures.append(failure) } }
      return failures
    }
    await runtime.removeControlGroups()
    live = [:]
    if let first = failures.first { throw first }
  }
}
