import NIOCore
import PalanaPolicy
import PalanaSecrets

/// Secrets that let no other credential stand in their places.
extension CredentialInjector {
  /// Refuses a credential that is not a placeholder of the agent where a secret of this destination requires one. A request without
  /// any credential passes.
  func checkRequired(
    _ fields: HeadFields, _ target: RequestTarget, _ plan: InjectionPlan, _ message: MessagePlaces
  ) throws(Refusal) {
    for binding in agent.required where mayReceive(binding) {
      for place in binding.places {
        switch place {
        case .header("authorization"), .basic, .awsSigV4: try checkAuthorization(fields, plan, message)
        case .header(let name): try checkField(fields, name, plan)
        case .query(let name): try checkParameter(target, name, message)
        case .path, .body, .websocket: break
        }
      }
    }
  }

  private static let required = Refusal(
    .credentialRequired, "requests to this host carry the agent's own placeholder, or no credential")

  private func checkField(_ fields: HeadFields, _ name: String, _ plan: InjectionPlan) throws(Refusal) {
    for (index, field) in fields.fields.enumerated() where field.value.count > 0 {
      guard field.name.count == name.utf8.count, fields.text(field.name).lowercased() == name else { continue }
      guard plan.uses.contains(where: { $0.field == index }) else { throw Self.required }
    }
  }

  /// The credential as a whole: a scheme and one word with a placeholder in it, or Basic with a placeholder as the user name
  /// or the password. Otherwise another credential could stand beside the placeholder.
  private func checkAuthorization(
    _ fields: HeadFields, _ plan: InjectionPlan, _ message: MessagePlaces
  ) throws(Refusal) {
    for (index, field) in fields.fields.enumerated() where field.known == .authorization && field.value.count > 0 {
      if message.signing?.field == index { continue }
      guard let use = plan.uses.first(where: { $0.field == index }) else { throw Self.required }
      guard use.isBasic ? Self.isWholePart(use) : Self.isLastWord(use) else { throw Self.required }
    }
  }

  private static func isWholePart(_ use: InjectionPlan.Use) -> Bool {
    let colon = use.text.firstIndex(of: UInt8(ascii: ":")) ?? use.text.count
    return use.places.contains { place in
      place.range == 0..<colon || place.range == (colon + 1)..<max(colon + 1, use.text.count)
    }
  }

  private static func isLastWord(_ use: InjectionPlan.Use) -> Bool {
    func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == UInt8(ascii: ",") }
    let words = use.text.split(whereSeparator: isSpace)
    guard words.count <= 2, let last = words.last else { return false }
    return use.places.contains { $0.range.lowerBound >= last.startIndex && $0.range.upperBound <= last.endIndex }
  }

  private func checkParameter(
    _ target: RequestTarget, _ name: String, _ message: MessagePlaces
  ) throws(Refusal) {
    guard let query = target.query else { return }
    let form = FormPairs(source: Array(query.utf8))
    for pair in form.pairs where form.name(pair) == Array(name.utf8) {
      guard let value = pair.value, !value.isEmpty else { continue }
      let holds = message.queryText?.substitutions.contains { value.contains($0.range.lowerBound) } ?? false
      guard holds else { throw Self.required }
    }
  }
}
