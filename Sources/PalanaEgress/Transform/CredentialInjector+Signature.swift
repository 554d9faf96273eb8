import NIOCore
import PalanaCore
import PalanaPolicy
import PalanaSecrets

/// Requests that are signed with a placeholder.
extension CredentialInjector {
  /// Whether a request states an AWS signature and no hash of its body: the gateway hashes it then.
  func hashesBody(_ fields: HeadFields) -> Bool {
    guard agent.signers.contains(where: mayReceive) else { return false }
    guard !fields.fields.contains(where: { fields.equal($0.name, "x-amz-content-sha256") }) else { return false }
    return fields.fields.contains { $0.known == .authorization && AWSAuthorization.isSignature(fields.array($0.value)) }
  }

  /// Plans the signature of a request whose Authorization field holds a placeholder.
  func planSignature(
    _ head: RequestHead, _ index: Int, _ field: HeadField, _ clock: WallClock, _ message: MessagePlaces,
    _ plan: inout InjectionPlan
  ) throws(Refusal) {
    let text = head.fields.text(field.value)
    let matches = agent.scanner.matches(in: text)
    guard !matches.isEmpty else { return try refuseEncoded(Array(text.utf8)) }
    guard matches.count == 1, let found = matches[0].placeholder else { throw Self.notBound }
    let binding = agent.bindings[found]
    guard let signing = binding.signing, binding.places.contains(.awsSigV4), mayReceive(binding) else {
      throw Self.notBound
    }
    guard let authorization = AWSAuthorization(text) else {
      throw AWSSigning.notSupported("it is not of the algorithm \(AWSAuthorization.algorithm), or malformed")
    }
    guard authorization.accessKey == binding.placeholder else { throw Self.notBound }
    guard head.fields.fields.count(where: { $0.known == .authorization }) == 1 else {
      throw Refusal(.malformedRequest, "the field with the credential stands twice")
    }
    guard let secretKey = agent.bindings.first(where: { $0.ref == signing.secretKey }) else { throw Self.notBound }
    let token = signing.sessionToken.flatMap { ref in agent.bindings.first { $0.ref == ref } }
    let credential = AWSSigning.Credential(
      accessKey: plan.index(of: binding), secretKey: plan.index(of: secretKey),
      sessionToken: token.map { plan.index(of: $0) })
    message.signing = try AWSSigning(
      head, field: index, authorization, signing: signing, host: authority.hostText(for: scheme), isTLS: scheme == .https,
      now: clock.now(), credential: credential)
  }
}
