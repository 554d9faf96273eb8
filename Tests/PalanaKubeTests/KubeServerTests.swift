import Foundation
import NIOHTTP1
import PalanaCore
import Testing

@testable import PalanaKube

/// How requests go out, and what becomes of answers.
@Suite(.timeLimit(.minutes(5))) struct KubeServerTests {
  private let pods = KubeResource("", "v1", "pods", kind: "Pod")

  @Test func aRequestHasItsCredentialAndWhomItIsFor() async throws {
    try await ScriptedServer.run { _, _ in
      .json(#"{"kind":"Pod"}"#)
    } _: { server in
      try await server.client(.token(Redacted("secret-token"))) { client in
        let other = client.impersonating(Impersonation(user: "alice@example.com", groups: ["a", "b"], extra: ["Scopes/x": ["1"]]))
        let pod = try await other.get(pods, "one", in: "ns")
        #expect(pod.kind == "Pod")
      }
      let request = try #require(server.requests.first)
      #expect(request.path == "/api/v1/namespaces/ns/pods/one")
      #expect(request.headers["authorization"] == ["Bearer secret-token"])
      #expect(request.headers["impersonate-user"] == ["alice@example.com"])
      #expect(request.headers["impersonate-group"] == ["a", "b"])
      #expect(request.headers["impersonate-extra-scopes%2Fx"] == ["1"])
    }
  }

  @Test(arguments: ["", " a", "a ", "a\r\nimpersonate-group: system:masters", "a\u{0}"])
  func identitiesThatCannotStandInAField(user: String) async throws {
    try await ScriptedServer.run { _, _ in
      .json("{}")
    } _: { server in
      try await server.client { client in
        let error = await #expect(throws: KubeError.self) {
          try await client.impersonating(Impersonation(user: user)).get(pods, "one", in: "ns")
        }
        #expect(error?.kind == .invalid)
      }
      #expect(server.requests.isEmpty)
    }
  }

  @Test func whatWasNotLookedAtIsSentAgain() async throws {
    try await ScriptedServer.run { number, _ in
      number < 2 ? ScriptedServer.Answer(status: 429, headers: [("retry-after", "0")]) : .json(#"{"kind":"Pod"}"#)
    } _: { server in
      try await server.client { client in
        _ = try await client.create(pods, KubeObject(pods, namespace: "ns", name: "one"))
      }
      #expect(server.requests.count == 3)
    }
  }

  /// Nobody knows whether it was done.
  @Test func aFailedWriteIsTheCallersToRepeat() async throws {
    try await ScriptedServer.run { _, _ in
      .json("", status: 500)
    } _: { server in
      try await server.client { client in
        let error = await #expect(throws: KubeError.self) {
          _ = try await client.create(pods, KubeObject(pods, namespace: "ns", name: "one"))
        }
        #expect(error?.kind == .server)
        #expect(server.requests.count == 1)
        await #expect(throws: KubeError.self) { try await client.get(pods, "one", in: "ns") }
        #expect(server.requests.count == 1 + client.server.limits.attempts)
      }
    }
  }

  @Test func anAnswerOverTheBoundIsAnError() async throws {
    var limits = KubeLimits()
    limits.responseBytes = 1_000
    try await ScriptedServer.run { _, _ in
      .json(String(repeating: " ", count: 2_000) + "{}")
    } _: { server in
      try await server.client(limits: limits) { client in
        let error = await #expect(throws: KubeError.self) { try await client.get(pods, "one", in: "ns") }
        #expect(error?.kind == .malformed)
      }
    }
  }

  @Test func nobodyThere() async throws {
    let port = try await ScriptedServer.run { _, _ in
      .json("{}")
    } _: {
      $0.port
    }
    var limits = KubeLimits()
    limits.attempts = 1
    let server = try KubeServer(KubeEndpoint(url: "http://127.0.0.1:\(port)"), limits: limits)
    let error = await #expect(throws: KubeError.self) { try await KubeClient(server, fieldManager: "t").get(pods, "one", in: "ns") }
    #expect(error?.kind == .unreachable)
    await server.close()
  }

  @Test func aTokenFileIsReadAgainWhenItsTokenIsRefused() async throws {
    let path = NSTemporaryDirectory() + "/palana-kube-token-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: path) }
    try "old\n".write(toFile: path, atomically: true, encoding: .utf8)
    try await ScriptedServer.run { _, request in
      request.headers["authorization"] == ["Bearer new"] ? .json(#"{"kind":"Pod"}"#) : .json("", status: 401)
    } _: { server in
      try await server.client(.tokenFile(path)) { client in
        let error = await #expect(throws: KubeError.self) { try await client.get(pods, "one", in: "ns") }
        #expect(error?.kind == .unauthenticated)
        // The same token again is not tried again.
        #expect(server.requests.count == 1)
        try "new\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try await client.get(pods, "one", in: "ns").kind == "Pod")
        #expect(server.requests.count == 3)
      }
    }
  }

  // MARK: Exec plugins

  private func withPlugin<Value>(_ script: String, _ body: (ExecPlugin) async throws -> Value) async throws -> Value {
    let folder = NSTemporaryDirectory() + "/palana-kube-exec-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/login"
    try ("#!/bin/sh\n" + script.replacing("HERE", with: folder)).write(toFile: path, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return try await body(ExecPlugin(command: path, arguments: ["arg"], environment: ["EXTRA": "value"], installHint: "install it"))
  }

  private static func credential(_ status: String) -> String {
    #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":\#(status)}"#
  }

  @Test func aPluginIsAskedOnceAndAgainWhenItsTokenIsRefused() async throws {
    // Each run gives another token; what it was told is kept beside it.
    let script = """
      echo "$1 $EXTRA $KUBERNETES_EXEC_INFO" >> HERE/told
      n=$(wc -l < HERE/told)
      echo '\(Self.credential(#"{"token":"token-N","expirationTimestamp":"2999-01-01T00:00:00Z"}"#))' | sed "s/N/$n/"
      """
    try await withPlugin(script) { plugin in
      try await ScriptedServer.run { _, request in
        request.headers["authorization"] == ["Bearer token-1"] && request.path.hasSuffix("/refused")
          ? .json("", status: 401) : .json(#"{"kind":"Pod"}"#)
      } _: { server in
        try await server.client(.exec(plugin)) { client in
          try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<5 { group.addTask { _ = try await client.get(pods, "one", in: "ns") } }
            try await group.waitForAll()
          }
          #expect(server.requests.allSatisfy { $0.headers["authorization"] == ["Bearer token-1"] })
          _ = try await client.get(pods, "refused", in: "ns")
          #expect(server.requests.last?.headers["authorization"] == ["Bearer token-2"])
        }
      }
      let folder = plugin.command.dropLast("/login".count)
      let told = try String(contentsOfFile: folder + "/told", encoding: .utf8).split(separator: "\n")
      #expect(told.count == 2 && told[0].hasPrefix("arg value {") && told[0].contains(#""kind":"ExecCredential""#))
    }
  }

  @Test(arguments: [
    "exit 1", "echo nothing", "echo '{\"kind\":\"ExecCredential\"}'", "echo '\(credential("{}"))'",
    "echo '\(credential(#"{"token":"secret-token","expirationTimestamp":"never"}"#))'", "yes",
  ])
  func aPluginThatGivesNothing(script: String) async throws {
    try await withPlugin(script) { plugin in
      try await ScriptedServer.run { _, _ in
        .json("{}")
      } _: { server in
        try await server.client(.exec(plugin)) { client in
          let error = await #expect(throws: KubeError.self) { try await client.get(pods, "one", in: "ns") }
          #expect(error?.kind == .unauthenticated && error?.message.contains("secret-token") == false)
        }
        #expect(server.requests.isEmpty)
      }
    }
  }

  // MARK: Lists

  @Test func pagesAreReadToTheEnd() async throws {
    try await ScriptedServer.run { number, _ in
      number == 0
        ? .json(#"{"metadata":{"resourceVersion":"5","continue":"c &"},"items":[{"metadata":{"name":"a"}}]}"#)
        : .json(#"{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"b"}}]}"#)
    } _: { server in
      try await server.client { client in
        let list = try await client.list(pods, Selection(labels: "x=y"))
        #expect(list.objects.map(\.name) == ["a", "b"] && list.resourceVersion == "5")
        #expect(list.objects.allSatisfy { $0.kind == "Pod" && $0.apiVersion == "v1" })
      }
      #expect(
        server.paths == ["/api/v1/pods?labelSelector=x%3Dy&limit=100", "/api/v1/pods?labelSelector=x%3Dy&limit=100&continue=c%20%26"])
    }
  }

  @Test func aListWhosePagesAreGoneBeginsAnew() async throws {
    try await ScriptedServer.run { number, request in
      if !request.path.contains("continue") {
        let next = number == 0 ? #","continue":"c""# : ""
        return .json(#"{"metadata":{"resourceVersion":"5"\#(next)},"items":[{"metadata":{"name":"a"}}]}"#)
      }
      return .json(#"{"kind":"Status","reason":"Expired"}"#, status: 410)
    } _: { server in
      try await server.client { client in
        let list = try await client.list(pods)
        #expect(list.objects.map(\.name) == ["a"])
      }
      #expect(server.requests.count == 3)
    }
  }

  @Test(arguments: ["{}", "[]", #"{"items":7,"metadata":{}}"#, #"{"items":[]}"#, "{", ""])
  func whatIsNoList(answer: String) async throws {
    try await ScriptedServer.run { _, _ in
      .json(answer)
    } _: { server in
      try await server.client { client in
        let error = await #expect(throws: KubeError.self) { try await client.list(pods) }
        #expect(error?.kind == .malformed)
      }
    }
  }

  @Test func aDeletionHasItsConditions() async throws {
    try await ScriptedServer.run { number, _ in
      number == 0 ? .json("{}") : .json("", status: 404)
    } _: { server in
      try await server.client { client in
        let first = try await client.delete(pods, "one", in: "ns", uid: "u", resourceVersion: "7", propagation: .foreground, grace: 0)
        let second = try await client.delete(pods, "one", in: "ns")
        #expect(first && !second)
      }
      let body = try JSONValue(parsing: Array((server.requests.first?.body ?? "").utf8))
      #expect(body["preconditions"] == ["uid": "u", "resourceVersion": "7"])
      #expect(body["propagationPolicy"]?.string == "Foreground" && body["gracePeriodSeconds"]?.int == 0)
    }
  }
}
