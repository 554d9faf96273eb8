import Foundation
import Testing

/// Programs and libraries that people use work inside of an agent with nothing but its environment: certificates are verified, a
/// credential is put in place of its placeholder, and a refusal says why.
@Suite struct EgressClientsTests {
  @Test(arguments: Client.all) func worksUnchanged(_ client: Client) async throws {
    let clients = try await Clients.shared.get()
    let outcomes = try await clients.outcomes(of: client.name, client.command)
    for (name, wanted) in client.outcomes.sorted(by: { $0.key < $1.key }) {
      #expect(outcomes[name] == wanted, "\(client.name), \(name)")
    }
    #expect(outcomes.keys.sorted() == client.outcomes.keys.sorted())
    guard client.outcomes.keys.contains("denied") else { return }
    let host = client.name + ".evil.test"
    try await waitUntil("the refusal is written down") {
      try await clients.platform.pcli(
        "audit", "--agent", Clients.agent, "--host", host, "--component", "egress", "--decision", "deny", "-o", "json"
      ).jsonLines().contains { $0["reason"].string == "host_not_allowed" }
    }
  }
}

/// A client, and what its cases have to come to.
struct Client: Sendable, CustomTestStringConvertible {
  var name: String
  var outcomes: [String: String]

  var testDescription: String { name }

  var command: [String] {
    name == "node" ? ["node", "/data/clients/use_node.mjs"] : ["/usr/bin/python3", "/data/clients/use_\(name).py"]
  }

  private static let good = #"{"authorized": true}"#
  private static let hello = #"{"hello": "world", "method": "GET"}"#
  private static let words = #"["Hello", " from", " the", " model"]"#
  private static let sentence = "Hello from the model"
  private static let events = #"["data: 0", "data: 1", "data: 2", "data: 3", "data: 4"]"#

  static let all = everywhere + node

  private static let everywhere = [
    Client(
      name: "urllib",
      outcomes: [
        "allowed": "world", "plain": "world", "bearer": good, "redirect": "world", "upload": "true", "denied": "host_not_allowed",
        "denied_plain": "host_not_allowed",
      ]),
    Client(
      name: "requests",
      outcomes: [
        "allowed": "world", "plain": "world", "kept": "1", "bearer": good, "basic": good, "redirect": "world",
        "compressed": "[null, 500]", "methods": "[200, 200, 200, 200, 200]", "empty": "[204, 200]", "events": events,
        "download": "8000000", "upload": "[true, true]", "form": "true", "denied": "host_not_allowed",
        "denied_plain": #"[403, "host_not_allowed"]"#, "unbound": #"[403, "secret_not_bound"]"#, "unbound_error": "secret_not_bound",
      ]),
    Client(
      name: "urllib3",
      outcomes: [
        "allowed": "world", "plain": "world", "bearer": good, "parallel": #"["world"]"#, "upload": "true", "denied": "host_not_allowed",
        "redirected": "world",
      ]),
    Client(
      name: "httpx",
      outcomes: [
        "allowed": "world", "plain": "world", "version": "HTTP/2", "bearer": "[true, true]", "basic": "[true, true]",
        "compressed": "[500, 500]", "empty": "[204, 204]", "redirect": "world", "upload": "[true, true]",
        "upload_stream": "[true, true]", "download": "8000000", "events": events, "parallel": "[100000]", "abandoned": "world",
        "refused_upload": #"["secret_not_bound", "secret_not_bound"]"#, "denied": "host_not_allowed",
        "unbound": #"["secret_not_bound", "secret_not_bound"]"#,
      ]),
    Client(
      name: "aiohttp",
      outcomes: [
        "allowed": "world", "plain": "world", "bearer": good, "basic": good, "compressed": "500", "parallel": #"["world"]"#,
        "upload": "true", "events": events, "websocket": "[true, true]", "denied": "host_not_allowed",
        "redirected": "world",
      ]),
    Client(
      name: "websockets",
      outcomes: [
        "allowed": "hello", "bearer": good, "big": "true", "many": "true", "pings": "true", "closes": #"[1000, "done"]"#,
        "denied": "host_not_allowed",
      ]),
    Client(
      name: "grpcio",
      outcomes: [
        "allowed": "hello", "bearer": "authorized", "big": "true", "trailing": "5", "failure": #"["NOT_FOUND", "not here: 100 %"]"#,
        "download": #"["0", "1", "2", "3", "4"]"#, "upload": "2000000", "talk": #"["0", "1", "2", "3", "4"]"#, "parallel": "true",
        "cancelled": "still here", "denied": "403",
      ]),
    Client(
      name: "boto3",
      outcomes: [
        "identity": "123456789012", "objects": #"[true, ["a key/with spaces+"]]"#, "stream": "true", "parts": "true",
        "missing": "NoSuchKey", "table": "7", "denied": "host_not_allowed",
      ]),
    Client(
      name: "boto3-signed",
      outcomes: [
        "environment": #"["AKIA", 20]"#, "objects": #"[true, ["a key/with spaces+"]]"#, "stream": "true", "parts": "true",
        "queries": #"["a b", "c+d/e"]"#, "identity": "123456789012", "another_key": "InvalidAccessKeyId",
        "another_service": "secret_not_bound", "presigned": "signature_not_supported", "denied": "host_not_allowed",
      ]),
    Client(
      name: "openai",
      outcomes: [
        "chat": sentence, "stream": words, "responses": sentence, "asynchronous": sentence, "missing": "there is no such model",
        "busy": sentence, "wrong": "401", "denied": "host_not_allowed", "unbound": "secret_not_bound",
      ]),
    Client(
      name: "anthropic",
      outcomes: [
        "message": sentence, "stream": words, "asynchronous": sentence, "missing": "there is no such model", "busy": sentence,
        "denied": "host_not_allowed", "unbound": "secret_not_bound",
      ]),
    Client(
      name: "curl",
      outcomes: [
        "allowed": hello, "plain": hello, "bearer": good, "basic": good, "redirect": hello, "compressed": "513", "expectation": "200",
        "chunked": "true", "chunked_2": "true", "version": "2", "version_1": "1.1", "version_0": "200", "parallel": "20",
        "denied": "host_not_allowed",
        "denied_plain": "host_not_allowed",
      ]),
    Client(
      name: "wget",
      outcomes: [
        "allowed": hello, "plain": hello, "bearer": good, "basic": good, "redirect": hello, "upload": "true",
        "denied": "host_not_allowed", "denied_plain": "host_not_allowed",
      ]),
    Client(name: "pip", outcomes: ["install": "installed", "credential": "installed", "denied": "host_not_allowed"]),
    Client(
      name: "apt",
      outcomes: [
        "https": "installed", "http": "installed", "flat": "installed", "credential": "installed", "denied": "host_not_allowed",
      ]),
  ]

  /// Where it is installed. It finds the gateway by itself, or is redirected to it: both look the same to a program.
  private static let node =
    FileManager.default.isExecutableFile(atPath: "/usr/bin/node")
    ? [
      Client(
        name: "node",
        outcomes: [
          "allowed": "world", "plain": "world", "bearer": #"{"authorized":true}"#, "upload": "5000000", "events": "3",
          "parallel": "20", "denied": "refused",
        ])
    ] : []
}
