import NIOCore
import PalanaPolicy
import PalanaSecrets

/// Placeholders in the request target.
extension CredentialInjector {
  /// Policy judges the path with the placeholder in it; only the upstream gets the value.
  func planTarget(
    _ head: RequestHead, _ target: RequestTarget, _ message: MessagePlaces, _ plan: inout InjectionPlan
  ) throws(Refusal) {
    let span = head.fields.bytes.readableBytesUInt8Span
    guard agent.scanner.firstMatch(in: span.extracting(head.method.range)) == nil else { throw Self.left }
    // The raw target was judged already when neither holds anything: for nearly every request that is one more pass.
    guard Spellings.holdPlaceholder(span.extracting(head.target.range), agent.scanner) else { return }
    try planPath(target, message, &plan)
    try planQuery(target, message, &plan)
    guard message.pathText != nil || message.queryText != nil else { throw Self.left }
  }

  private func planPath(
    _ target: RequestTarget, _ message: MessagePlaces, _ plan: inout InjectionPlan
  ) throws(Refusal) {
    var text = PlacedText(Array(target.path.description.utf8))
    for match in agent.scanner.matches(in: text.source.span) {
      guard let found = match.placeholder else { throw Self.left }
      let binding = agent.bindings[found]
      guard binding.places.contains(.path), mayReceive(binding) else { throw Self.left }
      text.add(.init(range: match.range, binding: plan.index(of: binding), encoding: .segment))
    }
    guard !Spellings.holdPlaceholder(text.rest.span, agent.scanner) else { throw Self.left }
    if !text.substitutions.isEmpty { message.pathText = text }
  }

  private func planQuery(
    _ target: RequestTarget, _ message: MessagePlaces, _ plan: inout InjectionPlan
  ) throws(Refusal) {
    guard let query = target.query else { return }
    var text = PlacedText(Array(query.utf8))
    let form = FormPairs(source: text.source)
    let pairs = form.pairs
    for pair in pairs {
      guard let range = pair.value else { continue }
      let value = form.value(range)
      let matches = agent.scanner.matches(in: value.bytes.span)
      guard !matches.isEmpty else { continue }
      let name = form.name(pair)
      let place = PlaceholderBinding.Place.query(String(decoding: name, as: UTF8.self))
      for match in matches {
        guard let found = match.placeholder else { throw Self.left }
        let binding = agent.bindings[found]
        if binding.signing != nil, mayReceive(binding) {
          throw AWSSigning.notSupported("it stands in the URL; sign the request itself")
        }
        guard binding.places.contains(place), mayReceive(binding), !form.isAmbiguous(range) else { throw Self.left }
        text.add(.init(range: value.source(of: match.range), binding: plan.index(of: binding), encoding: .percent))
      }
      guard pairs.count(where: { form.name($0) == name }) == 1 else {
        throw Refusal(.malformedRequest, "the parameter with the credential stands twice")
      }
    }
    guard !Spellings.holdPlaceholder(text.rest.span, agent.scanner) else { throw Self.left }
    if !text.substitutions.isEmpty { message.queryText = text }
  }
}
