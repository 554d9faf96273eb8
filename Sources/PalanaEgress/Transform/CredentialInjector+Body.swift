import NIOCore
import PalanaPolicy
import PalanaSecrets

/// Placeholders in the body of a request.
extension CredentialInjector {
  /// Whether any secret of the agent may stand in the body of a request to this destination. If not, bodies pass as they come and
  /// a placeholder in them is inert text.
  var bindsBody: Bool {
    if agent.inBody.contains(where: mayReceive) { return true }
    return tokens?.bindings(of: agent).contains { $0.places.contains(.body) && mayReceive($0) } ?? false
  }

  /// Whether the body has to be whole before the request can be sent.
  ///
  /// - Throws: ``Refusal`` when the head says already that it cannot be.
  func needsBody(_ head: RequestHead, limit: Int) throws(Refusal) -> Bool {
    guard !agent.inBody.isEmpty || !agent.signers.isEmpty || agent.mintsTokens else { return false }
    guard head.framing != .none, head.framing != .length(0) else { return false }
    let bindsBody = bindsBody
    guard bindsBody || hashesBody(head.fields) else { return false }
    if case .length(let count) = head.framing, count > Int64(limit) { throw Self.tooLarge(limit) }
    if bindsBody {
      for field in head.fields.fields where field.known == .contentEncoding {
        guard head.fields.equal(field.value, "identity") else {
          throw Refusal(
            .bodyNotRewritable,
            "a secret may stand in bodies to this host, so they are looked into: send them without content-encoding")
        }
      }
    }
    return true
  }

  static func tooLarge(_ limit: Int) -> Refusal {
    Refusal(.bodyTooLarge, "the body of this request has to be held whole for a secret, and is larger than \(limit) bytes")
  }

  func planBody(
    _ fields: HeadFields, _ body: ByteBuffer, _ message: MessagePlaces, _ plan: inout InjectionPlan
  ) throws(Refusal) {
    var found = plan
    let types = fields.fields.filter { fields.equal($0.name, "content-type") }
    let places = try BodyPlaces.find(
      body, type: types.count == 1 ? types.first.map { fields.text($0.value) } : nil, agent.scanner
    ) { decoded, encoding, text throws(Refusal) in
      for match in agent.scanner.matches(in: decoded.bytes.span) {
        guard let binding = binding(match, in: decoded.bytes[match.range]) else { throw Self.notBound }
        guard binding.places.contains(.body), mayReceive(binding) else { throw Self.notBound }
        text.add(
          .init(range: decoded.source(of: match.range), binding: found.index(of: binding), encoding: encoding))
      }
    }
    guard let places else { return }
    for field in fields.fields where Self.isDigest(fields, field) {
      throw Refusal(
        .bodyNotRewritable,
        "a placeholder in this body cannot be replaced: the field \(fields.text(field.name).lowercased()) holds a digest of the body")
    }
    plan = found
    message.bodyText = places
  }

  /// Whether a field would be wrong about a body that was rewritten.
  private static func isDigest(_ fields: HeadFields, _ field: HeadField) -> Bool {
    guard field.known == .other else { return false }
    let name = fields.text(field.name).lowercased()
    if name == "x-amz-content-sha256" {
      let value = fields.text(field.value)
      return value != "UNSIGNED-PAYLOAD"
    }
    return digests.contains(name) || name.hasPrefix("x-amz-checksum-")
  }

  private static let digests: Set<String> = [
    "content-md5", "digest", "content-digest", "repr-digest", "x-goog-hash", "x-bz-content-sha1",
  ]
}
