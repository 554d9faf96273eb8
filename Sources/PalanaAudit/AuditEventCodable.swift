/// The same flat JSON form as ``AuditEncoder`` writes, for the control API and for reading events back.
extension AuditEvent: Codable {
  private enum CodingKeys: String, CodingKey {
    case time, component, action, decision, severity, reason, rule, policyVersion, agent, actor, source, request
    case response, bytesSent, durationMs, secrets, details, origin
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      time: container.decode(forKey: .time), component: container.decode(forKey: .component),
      action: container.decode(forKey: .action), decision: container.decode(forKey: .decision),
      severity: container.decodeIfPresent(forKey: .severity) ?? .normal,
      reason: container.decodeIfPresent(forKey: .reason), rule: container.decodeIfPresent(forKey: .rule),
      policyVersion: container.decodeIfPresent(forKey: .policyVersion),
      agent: container.decodeIfPresent(forKey: .agent), actor: container.decodeIfPresent(forKey: .actor),
      source: container.decodeIfPresent(forKey: .source), request: container.decodeIfPresent(forKey: .request),
      response: container.decodeIfPresent(forKey: .response),
      bytesSent: container.decodeIfPresent(forKey: .bytesSent),
      durationMs: container.decodeIfPresent(forKey: .durationMs),
      secrets: container.decodeIfPresent(forKey: .secrets) ?? [],
      details: container.decodeIfPresent(forKey: .details) ?? [:],
      origin: container.decodeIfPresent(forKey: .origin))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(time, forKey: .time)
    try container.encode(component, forKey: .component)
    try container.encode(action, forKey: .action)
    try container.encode(decision, forKey: .decision)
    if severity != .normal { try container.encode(severity, forKey: .severity) }
    try container.encodeIfPresent(reason, forKey: .reason)
    try container.encodeIfPresent(rule, forKey: .rule)
    try container.encodeIfPresent(policyVersion, forKey: .policyVersion)
    try container.encodeIfPresent(agent, forKey: .agent)
    try container.encodeIfPresent(actor, forKey: .actor)
    try container.encodeIfPresent(source, forKey: .source)
    try container.encodeIfPresent(request, forKey: .request)
    try container.encodeIfPresent(response, forKey: .response)
    try container.encodeIfPresent(bytesSent, forKey: .bytesSent)
    try container.encodeIfPresent(durationMs, forKey: .durationMs)
    try container.encode(secrets, forKey: .secrets)
    if !details.isEmpty { try container.encode(details, forKey: .details) }
    try container.encodeIfPresent(origin, forKey: .origin)
  }
}

extension KeyedDecodingContainer {
  fileprivate func decode<T: Decodable>(forKey key: Key) throws -> T { try decode(T.self, forKey: key) }
  fileprivate func decodeIfPresent<T: Decodable>(forKey key: Key) throws -> T? {
    try decodeIfPresent(T.self, forKey: key)
  }
}

extension AuditRecord: Codable {
  private enum CodingKeys: String, CodingKey { case seq, prevHash, hash }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    seq = try container.decode(Int64.self, forKey: .seq)
    prevHash = try container.decode(String.self, forKey: .prevHash)
    hash = try container.decode(String.self, forKey: .hash)
    event = try AuditEvent(from: decoder)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(seq, forKey: .seq)
    try event.encode(to: encoder)
    try container.encode(prevHash, forKey: .prevHash)
    try container.encode(hash, forKey: .hash)
  }
}
