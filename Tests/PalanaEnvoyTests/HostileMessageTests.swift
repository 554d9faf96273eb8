import Foundation
import GRPCCore
import Logging
import PalanaAPI
import PalanaCore
import PalanaPolicy
import PalanaSecrets
import SwiftProtobuf
import Testing

@testable import PalanaEgress
@testable import PalanaEnvoy

/// Messages of somebody who pretends to be Envoy: nothing ends the process, and nothing is allowed that policy does not allow.
@Suite struct HostileMessageTests {
  private typealias Check = AuthorizationService.Request
  private typealias Log = AccessLogService.Message
  private typealias Discovery = DiscoveryService.Request
  private static let rounds = 1_500

  // MARK: Sound messages to start from

  private static func check(_ method: String, _ path: String, _ fields: [(String, String)]) -> Check {
    var request = Check()
    request.attributes.source.address.socketAddress.address = "127.0.1.1"
    request.attributes.source.address.socketAddress.portValue = 40_000
    request.attributes.tlsSession.sni = "allowed.test"
    request.attributes.request.http.method = method
    request.attributes.request.http.path = path
    request.attributes.request.http.host = "allowed.test:80"
    request.attributes.request.http.protocol = "HTTP/1.1"
    request.attributes.request.http.headerMap.headers = fields.map { name, value in
      var header = Envoy_Config_Core_V3_HeaderValue()
      header.key = name
      header.rawValue = Data(value.utf8)
      return header
    }
    return request
  }

  private static let proof = ("proxy-authorization", GatewayFixture.basic(GatewayFixture.tokenA))

  private static let checks = [
    check("CONNECT", "", [(":authority", "allowed.test:443"), proof]),
    check("GET", "/a?b=c", [(":authority", "allowed.test:80"), (":path", "/a?b=c"), proof, ("authorization", "Bearer x, Basic eA==")]),
  ]

  private static func log() -> Log {
    var message = Log()
    message.identifier.logName = EnvoyNames.proxyListener
    var entry = Envoy_Data_Accesslog_V3_HTTPAccessLogEntry()
    entry.commonProperties.downstreamRemoteAddress.socketAddress.address = "127.0.1.1"
    var metadata = SwiftProtobuf.Google_Protobuf_Struct()
    metadata.fields[EnvoyNames.idMember] = .init(stringValue: "unknown")
    entry.commonProperties.metadata.filterMetadata[EnvoyNames.authorizationFilter] = metadata
    entry.response.responseCodeDetails = "via_upstream"
    entry.response.responseBodyBytes = .max
    var other = entry
    other.commonProperties.metadata.filterMetadata = [:]
    other.commonProperties.filterStateObjects[EnvoyNames.ticketState] =
      (try? .init(message: SwiftProtobuf.Google_Protobuf_StringValue("ticket"))) ?? .init()
    message.httpLogs.logEntry = [entry, other]
    return message
  }

  private static func discovery() -> Discovery {
    var request = Discovery()
    request.typeURL = DiscoveryService.secretType
    request.resourceNamesSubscribe = ["allowed.test"]
    request.responseNonce = "1"
    return request
  }

  // MARK: Tests

  /// Every message that can be read can be written, shown and compared: the generated code traps nowhere.
  @Test func mutatedMessagesAreReadOrRefused() async throws {
    try await mutate(Self.checks)
    try await mutate([Self.log()])
    try await mutate([Self.discovery()])
  }

  @Test func nestingIsBounded() throws {
    var value = SwiftProtobuf.Google_Protobuf_Value(stringValue: "x")
    for _ in 0..<90 { value = .init(listValue: .init(values: [value])) }
    var bytes = try [UInt8](value.serializedBytes() as [UInt8])
    // Deeper than any reader may go, by hand: list_value (6) of values (1) of list_value …
    for _ in 0..<200 {
      bytes = Self.field(1, bytes)
      bytes = Self.field(6, bytes)
    }
    #expect(throws: (any Error).self) { try SwiftProtobuf.Google_Protobuf_Value(serializedBytes: bytes) }
  }

  @Test func whatPretendsToBeEnvoyGetsNothing() async throws {
    try await withServices { authorization, accessLog, board, ticket in
      var random = SplitMix(state: 7)
      let seeds = try Self.checks.map { try [UInt8]($0.serializedBytes() as [UInt8]) }
      var allowed = 0
      for round in 0..<Self.rounds {
        await Task.yield()
        guard let request = try? Check(serializedBytes: round < 2 ? seeds[round] : random.mutated(seeds[round % 2])) else { continue }
        // Without the ticket nothing is known of anybody.
        let stranger = await authorization.check(request, metadata: [:])
        #expect(stranger.deniedResponse.status.code == .forbidden)
        var metadata = Metadata()
        metadata.addString(ticket, forKey: EnvoyNames.ticketMetadata)
        if round % 3 == 2 { metadata.addString("no-such-tunnel", forKey: EnvoyNames.tunnelMetadata) }
        let answer = await authorization.check(request, metadata: metadata)
        guard case .okResponse = answer.httpResponse else { continue }
        allowed += 1
        // What may pass goes to the one allowed name, or is a tunnel to it.
        let upstream = answer.dynamicMetadata.fields[EnvoyNames.upstreamMember]?.stringValue
        #expect(upstream == nil || upstream?.hasPrefix("127.0.0.1:") == true)
        #expect(round % 3 != 2)
      }
      #expect(allowed >= 2, "the sound ones pass")
      let log = try [UInt8](Self.log().serializedBytes() as [UInt8])
      for _ in 0..<Self.rounds {
        await Task.yield()
        guard let message = try? Log(serializedBytes: random.mutated(log)) else { continue }
        await accessLog.take(message, log: message.identifier.logName)
      }
      // A version that was never sent has not been taken.
      let (_, wake) = AsyncStream.makeStream(of: Void.self)
      _ = board.connected(wake)
      board.acknowledged(.max, accepted: true)
      #expect(!board.isInForce)
    }
  }

  // MARK: Parts

  private func mutate<M: Message & Hashable>(_ seeds: [M]) async throws {
    var random = SplitMix(state: 42)
    let bytes = try seeds.map { try [UInt8]($0.serializedBytes() as [UInt8]) }
    for round in 0..<Self.rounds {
      if round.isMultiple(of: 32) { await Task.yield() }
      guard let message = try? M(serializedBytes: random.mutated(bytes[round % bytes.count])) else { continue }
      let again = try M(serializedBytes: message.serializedBytes() as [UInt8])
      #expect(again == message && again.hashValue == message.hashValue)
      _ = message.textFormatString()
    }
  }

  private static func field(_ number: UInt8, _ contents: [UInt8]) -> [UInt8] {
    var length = contents.count
    var varint: [UInt8] = []
    while length >= 0x80 {
      varint.append(UInt8(length & 0x7f) | 0x80)
      length >>= 7
    }
    return [number << 3 | 2] + varint + [UInt8(length)] + contents
  }

  private func withServices(
    _ body: (AuthorizationService, AccessLogService, DiscoveryBoard, String) async throws -> Void
  ) async throws {
    try await JudgeFixture.run { judge, agent, _ in
      let board = DiscoveryBoard(connectionLimit: 8)
      board.update([agent], cut: [])
      let ticket = try #require(board.picture.chains.first?.ticket)
      try await body(
        AuthorizationService(judge: judge, board: board), AccessLogService(judge: judge, board: board), board, ticket)
    }
  }
}

/// A fixed sequence of numbers (Steele and others, "Fast splittable pseudorandom number generators").
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A few bytes changed, taken out, put in or repeated.
  mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &self) where !bytes.isEmpty {
      let index = Int.random(in: 0..<bytes.count, using: &self)
      switch Int.random(in: 0..<5, using: &self) {
      case 0: bytes[index] = UInt8.random(in: .min ... .max, using: &self)
      case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &self)
      case 2: bytes.remove(at: index)
      case 3: bytes.insert(UInt8.random(in: .min ... .max, using: &self), at: index)
      default:
        let end = min(bytes.count, index + Int.random(in: 1...16, using: &self))
        bytes.insert(contentsOf: bytes[index..<end], at: index)
      }
    }
    return bytes
  }
}
