import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// Finds the placeholders of a request and checks that each may stand there and go there.
///
/// Known, foreign and made-up placeholders get the same answer when something is wrong: an agent learns nothing about
/// secrets that are not its own.
struct CredentialInjector {
  let agent: EgressAgent
  let authority: Authority
  let scheme: EgressRequest.Scheme
  /// Made for the agent in answers of token endpoints.
  var tokens: MintedTokens?

  /// The plan for a request; empty when it holds no placeholder.
  ///
  /// - Parameters:
  ///   - body: the whole body, where ``needsBody(_:limit:)`` asks for it.
  ///   - clock: the time by which signatures are judged.
  /// - Throws: ``Refusal`` when a placeholder stands where it must not.
  func plan(
    _ head: RequestHead, _ target: RequestTarget, body: ByteBuffer? = nil, secrets: any SecretValueSource,
    clock: WallClock = .system
  ) throws(Refusal) -> InjectionPlan {
    let fields = head.fields
    let span = fields.bytes.readableBytesUInt8Span
    var plan = InjectionPlan()
    // One pass over the whole head: nearly every request ends here.
    let hasMarker = agent.scanner.firstMatch(in: span) != nil
    let hasPercent = Bytes.contains(span, UInt8(ascii: "%"))
    let isPlain = !hasMarker && !hasPercent && body == nil && agent.required.isEmpty
    let message = isPlain ? nil : MessagePlaces(target: target, heldBody: body)
    if hasMarker || hasPercent, let message { try planTarget(head, target, message, &plan) }
    for (index, field) in fields.fields.enumerated() {
      if field.known == .authorization { try planBasic(fields, index, field, &plan) }
      guard hasMarker || hasPercent else { continue }
      if hasMarker, let message, field.known == .authorization, AWSAuthorization.isSignature(fields.array(field.value)) {
        try planSignature(head, index, field, clock, message, &plan)
      } else {
        try planField(fields, index, field, hasMarker, hasPercent, &plan)
      }
    }
    if let body, let message, bindsBody { try planBody(fields, body, message, &plan) }
    if let message, !agent.required.isEmpty { try checkRequired(fields, target, plan, message) }
    if !agent.inWebsocket.isEmpty { plan.readsFrames = agent.inWebsocket.contains(where: mayReceive) }
    guard !plan.isEmpty else { return plan }
    try refuseDuplicates(fields, plan)
    if let message, !message.isEmpty { plan.message = message }
    guard plan.take(from: secrets) else { throw Self.unusable }
    return plan
  }

  static let unusable = Refusal(.secretUnavailable, "a secret of this request has characters that cannot stand in its place")
  static let notBound = Refusal(
    .secretNotBound, "a placeholder stands for no secret that may go to this destination in this place")
  static let left = Refusal(
    .placeholderLeft, "a placeholder stands where the gateway does not replace it")

  // MARK: Fields

  private func planField(
    _ fields: HeadFields, _ index: Int, _ field: HeadField, _ hasMarker: Bool, _ hasPercent: Bool,
    _ plan: inout InjectionPlan
  ) throws(Refusal) {
    let span = fields.bytes.readableBytesUInt8Span
    if hasMarker {
      guard agent.scanner.firstMatch(in: span.extracting(field.name.range)) == nil else { throw Self.left }
      let matches = agent.scanner.matches(in: span.extracting(field.value.range))
      if !matches.isEmpty {
        // Proxy credentials and the like never travel, so a placeholder in them is only a mistake.
        guard field.known == .other || field.known == .authorization else { throw Self.left }
        let name = fields.text(field.name).lowercased()
        try add(matches, to: &plan, field: index, text: fields.array(field.value), isBasic: false) { binding in
          binding.places.contains(.header(name))
        }
        return
      }
    }
    if hasPercent { try refuseEncoded(fields.array(field.value)) }
  }

  /// The decoded form of a Basic credential, in which placeholders cannot be seen from outside.
  private func planBasic(
    _ fields: HeadFields, _ index: Int, _ field: HeadField, _ plan: inout InjectionPlan
  ) throws(Refusal) {
    guard let decoded = BasicCredentials.decoded(fields.text(field.value)) else { return }
    let matches = agent.scanner.matches(in: decoded.span)
    guard !matches.isEmpty else { return try refuseEncoded(decoded) }
    try add(matches, to: &plan, field: index, text: decoded, isBasic: true) { $0.places.contains(.basic) }
  }

  private func add(
    _ matches: [PlaceholderScanner.Match], to plan: inout InjectionPlan, field: Int, text: [UInt8], isBasic: Bool,
    where mayStand: (PlaceholderBinding) -> Bool
  ) throws(Refusal) {
    var use = InjectionPlan.Use(field: field, isBasic: isBasic, text: text, places: [])
    var rest = text
    for match in matches {
      guard let binding = binding(match, in: text[match.range]) else { throw Self.notBound }
      guard mayStand(binding), mayReceive(binding) else { throw Self.notBound }
      use.places.append((match.range, plan.index(of: binding)))
      for index in match.range { rest[index] = UInt8(ascii: " ") }
    }
    // Beside one that is replaced there may be another one in disguise.
    try refuseEncoded(rest)
    plan.add(use)
  }

  /// What a placeholder that was found stands for: a secret of the agent, or a token that was made for it.
  func binding(_ match: PlaceholderScanner.Match, in text: some Collection<UInt8>) -> PlaceholderBinding? {
    if let index = match.placeholder { return agent.bindings[index] }
    return tokens?.binding(String(decoding: text, as: UTF8.self), of: agent)
  }

  /// Whether the secret may go to where this request goes.
  func mayReceive(_ binding: PlaceholderBinding) -> Bool {
    binding.destinations.contains { destination in
      destination.scheme == scheme && destination.port == authority.port && destination.host.matches(authority.host)
    }
  }

  /// Looks for placeholders behind one or two layers of percent-encoding: an upstream would decode them.
  func refuseEncoded(_ bytes: [UInt8]) throws(Refusal) {
    var text = bytes
    for _ in 0..<2 {
      guard let decoded = PercentEncoding.decoded(text) else { return }
      guard agent.scanner.firstMatch(in: decoded.span) == nil else { throw Self.left }
      text = decoded
    }
  }

  /// Which of several fields of the same name counts is decided differently by every server.
  private func refuseDuplicates(_ fields: HeadFields, _ plan: InjectionPlan) throws(Refusal) {
    for use in plan.uses {
      let name = fields.text(fields.fields[use.field].name).lowercased()
      for (index, field) in fields.fields.enumerated() where index != use.field {
        if field.name.count == name.utf8.count, fields.text(field.name).lowercased() == name {
          throw Refusal(.malformedRequest, "the field with the credential stands twice")
        }
      }
    }
  }
}
