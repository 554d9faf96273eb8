import Logging
import PalanaCore
import PalanaOPA
import PalanaPolicy

/// A guardrail that owns threads or connections.
protocol GuardrailShutdown { func close() async }

extension RegoGuardrail: GuardrailShutdown {}
extension OPAServerGuardrail: GuardrailShutdown {}

extension LocalConfiguration {
  /// The guardrails that are configured, ready to be asked.
  ///
  /// - Throws: ``PalanaError``: what is wrong with a policy, or why the engine cannot be had.
  func loadGuardrails(_ tools: LocalTools, logger: Logger) async throws(PalanaError) -> [any Guardrail] {
    var guardrails: [any Guardrail] = []
    if !opa.bundles.isEmpty {
      let library = try OPALibrary(path: tools.opaLibrary)
      guardrails.append(
        try await RegoGuardrail.load(library: library, options: RegoGuardrail.Options(paths: opa.bundles), logger: logger))
    }
    if !opa.server.isEmpty {
      guardrails.append(
        try OPAServerGuardrail(server: opa.server, client: OPAServerGuardrail.makeClient(), logger: logger))
    }
    return guardrails
  }
}
