import PalanaAudit
import PalanaCore
import PalanaEgress
import PalanaPolicy
import SwiftProtobuf

/// Takes Envoy's word on how requests and connections ended, and gives it to the judge, which writes the events.
struct AccessLogService: Sendable {
  typealias Message = Envoy_Service_Accesslog_V3_StreamAccessLogsMessage

  let judge: EgressJudge
  let board: DiscoveryBoard

  /// - Parameter log: the name of the log; it stands in the first message of a stream.
  func take(_ message: Message, log: String) async {
    for entry in message.httpLogs.logEntry { await take(entry, log) }
    for entry in message.tcpLogs.logEntry { take(entry, log) }
  }

  private func take(_ entry: Envoy_Data_Accesslog_V3_HTTPAccessLogEntry, _ log: String) async {
    let common = entry.commonProperties
    let metadata = common.metadata.filterMetadata[EnvoyNames.authorizationFilter]
    let status = entry.response.hasResponseCode ? Int(entry.response.responseCode.value) : nil
    if let id = metadata?.fields[EnvoyNames.idMember]?.stringValue, !id.isEmpty {
      if log == EnvoyNames.proxyListener { judge.tunnelClosed(id, nil) }
      // Requests that were refused have their event already; the judge knows.
      judge.ended(id, EndReading.end(of: entry, status: status))
      return
    }
    // Envoy refused it without asking.
    guard let ticket = Self.state(common, EnvoyNames.ticketState), let agent = board.agent(of: ticket) else { return }
    var source: JudgedSource?
    if log == EnvoyNames.innerListener {
      if let tunnel = Self.state(common, EnvoyNames.tunnelState) { source = await judge.tunnel(tunnel)?.source }
    } else if let address = IPAddress(common.downstreamRemoteAddress.socketAddress.address) {
      let port = Int(common.downstreamRemoteAddress.socketAddress.portValue)
      source = JudgedSource(agent: agent, source: AuditEvent.Source(ip: address, port: port), tunnel: nil)
    }
    guard let source else { return }
    judge.refusedElsewhere(
      source, EndReading.refusal(details: entry.response.responseCodeDetails, status: status), method: nil, status: status)
  }

  private func take(_ entry: Envoy_Data_Accesslog_V3_TCPAccessLogEntry, _ log: String) {
    let common = entry.commonProperties
    if log == EnvoyNames.innerListener {
      guard let tunnel = Self.state(common, EnvoyNames.tunnelState) else { return }
      judge.tunnelClosed(
        tunnel,
        EndReading.handshake(
          serverName: common.tlsProperties.tlsSniHostname, failure: common.downstreamTransportFailureReason))
    } else if let address = IPAddress(common.downstreamRemoteAddress.socketAddress.address) {
      let port = Int(common.downstreamRemoteAddress.socketAddress.portValue)
      judge.refusedConnection(AuditEvent.Source(ip: address, port: port))
    }
  }

  /// A text that goes with the connection.
  private static func state(_ common: Envoy_Data_Accesslog_V3_AccessLogCommon, _ name: String) -> String? {
    guard let packed = common.filterStateObjects[name],
      let text = try? SwiftProtobuf.Google_Protobuf_StringValue(unpackingAny: packed)
    else { return nil }
    return text.value
  }
}
