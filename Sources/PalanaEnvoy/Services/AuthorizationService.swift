import GRPCCore
import PalanaAudit
import PalanaCore
import PalanaEgress
import PalanaPolicy
import SwiftProtobuf

/// Answers whether a request may pass, and how its head changes: Envoy's external authorization.
///
/// The answer is the one message in which a real credential leaves this process.
struct AuthorizationService: Sendable {
  typealias Request = Envoy_Service_Auth_V3_CheckRequest
  typealias Response = Envoy_Service_Auth_V3_CheckResponse

  let judge: EgressJudge
  let board: DiscoveryBoard

  func check(_ request: Request, metadata: Metadata) async -> Response {
    guard let ticket = Self.text(metadata, EnvoyNames.ticketMetadata), let agent = board.agent(of: ticket) else {
      return Self.denied(
        status: DenialReason.agentUnknown.status,
        body: "{\"error\":\"egress_denied\",\"reason\":\"\(DenialReason.agentUnknown.rawValue)\"}\n", fields: [])
    }
    let http = request.attributes.request.http
    var source: JudgedSource?
    var serverName: String?
    if let id = Self.text(metadata, EnvoyNames.tunnelMetadata) {
      // Who speaks inside of a tunnel is who opened it.
      source = await judge.tunnel(id)?.source
      serverName = request.attributes.tlsSession.sni
    } else if let address = IPAddress(request.attributes.source.address.socketAddress.address) {
      let port = Int(request.attributes.source.address.socketAddress.portValue)
      source = JudgedSource(agent: agent, source: AuditEvent.Source(ip: address, port: port), tunnel: nil)
    }
    guard let source, source.agent == agent else {
      return Self.denied(
        status: DenialReason.agentUnknown.status,
        body: "{\"error\":\"egress_denied\",\"reason\":\"\(DenialReason.agentUnknown.rawValue)\"}\n", fields: [])
    }
    switch await judge.judge(Self.head(http, serverName: serverName), from: source) {
    case .refused(let id, let refusal):
      var response = Self.denied(status: refusal.status, body: refusal.body, fields: refusal.fields)
      response.dynamicMetadata.fields[EnvoyNames.idMember] = .init(stringValue: id)
      return response
    case .allowed(let id, let changes, let upstream):
      return Self.allowed(id: id, changes, upstream)
    }
  }

  // MARK: Reading

  private static func text(_ metadata: Metadata, _ key: String) -> String? {
    var values = metadata[stringValues: key].makeIterator()
    guard let value = values.next(), values.next() == nil, value != "-", !value.isEmpty else { return nil }
    return value
  }

  private static func head(_ http: Envoy_Service_Auth_V3_AttributeContext.HttpRequest, serverName: String?) -> JudgedHead {
    var method = http.method
    var target = http.path
    var authority = http.host
    var fields: [JudgedHead.Field] = []
    fields.reserveCapacity(http.headerMap.headers.count)
    for header in http.headerMap.headers {
      let value = header.rawValue.isEmpty ? Array(header.value.utf8) : Array(header.rawValue)
      switch header.key {
      case ":method": method = String(decoding: value, as: UTF8.self)
      case ":path": target = String(decoding: value, as: UTF8.self)
      case ":authority": authority = String(decoding: value, as: UTF8.self)
      case ":scheme", ":protocol": break
      // Envoy's own notes, not the agent's words.
      case "x-forwarded-proto": break
      // Envoy joins several of them into one; apart again they are seen for what they are.
      case "authorization": fields += credentials(value).map { .init(name: header.key, value: $0) }
      default: fields.append(.init(name: header.key, value: value))
      }
    }
    if method == "CONNECT" { target = authority }
    return JudgedHead(
      method: method, target: target, authority: authority, fields: fields, serverName: serverName,
      isHTTP10: http.protocol == "HTTP/1.0")
  }

  /// The credentials of a joined `Authorization` field: behind a comma a scheme and a space begin another one, and a name with
  /// an equals sign is a further parameter of the same (RFC 9110 §11.4).
  static func credentials(_ value: [UInt8]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var start = 0
    for (index, byte) in value.enumerated() where byte == UInt8(ascii: ",") {
      let rest = value[(index + 1)...].drop { $0 == 32 || $0 == 9 }
      let scheme = rest.prefix { $0 | 0x20 >= UInt8(ascii: "a") && $0 | 0x20 <= UInt8(ascii: "z") || $0 == UInt8(ascii: "-") }
      guard !scheme.isEmpty, let next = rest.dropFirst(scheme.count).first, next == 32 || next == 9 else { continue }
      result.append(Array(value[start..<index]))
      start = index + 1
    }
    result.append(Array(value[start...].drop { $0 == 32 || $0 == 9 }))
    return result
  }

  // MARK: Writing

  private static func allowed(id: String, _ changes: HeadChanges, _ upstream: AddressPermit?) -> Response {
    var ok = Envoy_Service_Auth_V3_OkHttpResponse()
    ok.headersToRemove = changes.removed
    ok.headers = changes.set.map { option($0.name, $0.value.reveal(), appends: $0.appends) }
    if let target = changes.target { ok.headers.append(option(":path", target.reveal())) }
    if let authority = changes.authority { ok.headers.append(option(":authority", authority)) }
    var response = Response()
    response.okResponse = ok
    response.dynamicMetadata.fields[EnvoyNames.idMember] = .init(stringValue: id)
    if let upstream {
      let text = if case .v6 = upstream.address { "[\(upstream.address)]" } else { "\(upstream.address)" }
      response.dynamicMetadata.fields[EnvoyNames.upstreamMember] = .init(stringValue: "\(text):\(upstream.port)")
    }
    return response
  }

  private static func denied(status: Int, body: String, fields: [(name: String, value: String)]) -> Response {
    var denied = Envoy_Service_Auth_V3_DeniedHttpResponse()
    denied.status.code = Envoy_Type_V3_StatusCode(rawValue: status) ?? .forbidden
    denied.body = body
    denied.headers = fields.map { option($0.name, $0.value) }
    var response = Response()
    // PERMISSION_DENIED: any code but OK denies.
    response.status.code = 7
    response.deniedResponse = denied
    return response
  }

  private static func option(_ name: String, _ value: String, appends: Bool = false) -> Envoy_Config_Core_V3_HeaderValueOption {
    var option = Envoy_Config_Core_V3_HeaderValueOption()
    option.header.key = name
    // Envoy does not look at the raw form here.
    option.header.value = value
    option.appendAction = appends ? .appendIfExistsOrAdd : .overwriteIfExistsOrAdd
    return option
  }
}
