import Foundation
import KubeTestServer
import NIOCore
import PalanaCore
import Testing

@testable import PalanaKube

/// TLS towards the API server, from both sides, against servers that really speak it.
@Suite(.timeLimit(.minutes(5))) struct CertificateTests {
  private static let pods = KubeResource("", "v1", "pods", kind: "Pod")
  private static let pod = ScriptedServer.Answer.json(#"{"kind":"Pod"}"#)

  private static func once() -> KubeLimits {
    var limits = KubeLimits()
    limits.attempts = 1
    return limits
  }

  /// - Returns: the failure of a request to a server of `authority`; nil when it was answered.
  private func failure(_ authority: TestAuthority, _ change: (inout KubeEndpoint) throws -> Void) async throws -> KubeError? {
    try await ScriptedServer.run(tls: authority.server()) { _, _ in
      Self.pod
    } _: { server in
      var endpoint = server.endpoint()
      endpoint.authorities = try authority.pem
      let own = try authority.leaf("alice@example.com")
      endpoint.authentication = .certificate(own.chain, key: Redacted(own.key))
      try change(&endpoint)
      let connection = try KubeServer(endpoint, limits: Self.once())
      var failure: KubeError?
      do throws(KubeError) {
        _ = try await KubeClient(connection, fieldManager: "tests").get(Self.pods, "one", in: "ns")
      } catch {
        failure = error
      }
      await connection.close()
      if failure == nil { #expect(server.requests.first?.peer?.contains("CN=alice@example.com") == true) }
      return failure
    }
  }

  @Test func bothSidesAreLookedAt() async throws {
    let (authority, stranger) = (try TestAuthority("ours"), try TestAuthority("somebody’s"))
    #expect(try await failure(authority) { _ in } == nil)
    #expect(try await failure(authority) { $0.serverName = "api.test" } == nil)
    // Nobody, somebody of another authority, a server of another authority.
    #expect(try await failure(authority) { $0.authentication = .none }?.kind == .unreachable)
    let refused = try await failure(authority) { endpoint in
      let other = try stranger.leaf("alice@example.com")
      endpoint.authentication = .certificate(other.chain, key: Redacted(other.key))
    }
    #expect(refused?.kind == .unreachable)
    #expect(try await failure(authority) { $0.authorities = try stranger.pem }?.kind == .unreachable)
    let unusable = try await failure(authority) { $0.authentication = .certificate(Array("x".utf8), key: Redacted(Array("y".utf8))) }
    #expect(unusable?.kind == .unauthenticated)
  }

  /// The next certificate needs another connection.
  @Test func aPluginsCertificateThatIsRefusedIsMadeAnew() async throws {
    let authority = try TestAuthority("ours")
    let folder = NSTemporaryDirectory() + "/palana-kube-certificates-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for name in ["1", "2"] {
      let own = try authority.leaf("number-\(name)")
      let credential: JSONValue = [
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": [
          "clientCertificateData": .string(String(decoding: own.chain, as: UTF8.self)),
          "clientKeyData": .string(String(decoding: own.key, as: UTF8.self)),
        ],
      ]
      try Data(credential.encoded()).write(to: URL(filePath: folder + "/" + name))
    }
    let script = "#!/bin/sh\ncd \(folder)\necho x >> told\nexec cat $(wc -l < told | tr -d ' ')\n"
    try script.write(toFile: folder + "/login", atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder + "/login")
    try await ScriptedServer.run(tls: authority.server()) { _, request in
      request.peer?.contains("CN=number-2") == true ? Self.pod : .json("", status: 401)
    } _: { server in
      var endpoint = server.endpoint(.exec(ExecPlugin(command: folder + "/login")))
      endpoint.authorities = try authority.pem
      let connection = try KubeServer(endpoint, limits: Self.once())
      let client = KubeClient(connection, fieldManager: "tests")
      for _ in 0..<2 {
        let answer = try await client.get(Self.pods, "one", in: "ns")
        #expect(answer.kind == "Pod")
      }
      await connection.close()
      #expect(server.requests.map { $0.peer?.contains("CN=number-2") } == [false, true, true])
    }
  }

  @Test func programsAreRunOverTLS() async throws {
    let (authority, stranger) = (try TestAuthority("ours"), try TestAuthority("somebody’s"))
    let own = try authority.leaf("alice@example.com")
    let certificate = KubeAuthentication.certificate(own.chain, key: Redacted(own.key))
    func output(_ authentication: KubeAuthentication, wants: Bool, trusting: TestAuthority) async throws -> String {
      try await ScriptedContainer.run(
        .accepts(), authentication, tls: (authority.server(wantsCertificates: wants), trusting.pem)
      ) { container in
        try await container.say(1, "hello")
        try await container.exit(0)
      } _: { client, _ in
        try await client.exec("pod", in: "ns", ExecRequest(["sh"])) { session in
          var text = ""
          while let output = try await session.next() { if case .standardOutput(let bytes) = output { text += String(buffer: bytes) } }
          #expect(session.exit == .code(0))
          return text
        }
      }
    }
    // Often: the ends of both sides cross in every order.
    for _ in 0..<20 {
      let text = try await output(certificate, wants: true, trusting: authority)
      #expect(text == "hello")
    }
    #expect(try await output(.token(Redacted("secret-token")), wants: false, trusting: authority) == "hello")
    let unknown = await #expect(throws: KubeError.self) { try await output(.none, wants: true, trusting: authority) }
    #expect(unknown?.kind == .unreachable)
    let untrusted = await #expect(throws: KubeError.self) { try await output(certificate, wants: true, trusting: stranger) }
    #expect(untrusted?.kind == .unreachable)
  }

  /// A real API server knows who it is from the certificate of a kubeconfig.
  @Test(.enabled(if: APIServer.isPresent, "there is no Kubernetes API server"))
  func aRealServerReadsTheNameFromTheCertificate() async throws {
    let folder = NSTemporaryDirectory() + "/palana-kube-certificate-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let authority = try TestAuthority("people")
    try Data(try authority.pem).write(to: URL(filePath: folder + "/people.pem"))
    let input = Pipe()
    let path = try KubeTestServer.launch(folder, "--client-ca", folder + "/people.pem", input: input)
    var config = try JSONValue(parsing: Array(Data(contentsOf: URL(filePath: path))))
    let own = try authority.leaf("alice@example.com")
    guard case .object(var members) = config else { return #expect(Bool(false)) }
    members["users"] = [
      [
        "name": "admin",
        "user": [
          "client-certificate-data": .string(Data(own.chain).base64EncodedString()),
          "client-key-data": .string(Data(own.key).base64EncodedString()),
        ],
      ]
    ]
    config = .object(members)
    try Data(config.encoded()).write(to: URL(filePath: folder + "/alice"))
    let server = try KubeServer(try await KubeConfig(paths: [folder + "/alice"]).endpoint())
    let reviews = KubeResource("authentication.k8s.io", "v1", "selfsubjectreviews", kind: "SelfSubjectReview", isNamespaced: false)
    let review = try await KubeClient(server, fieldManager: "tests").create(reviews, KubeObject(reviews, name: ""))
    #expect(review["status"]?["userInfo"]?["username"] == "alice@example.com")
    #expect(review["status"]?["userInfo"]?["groups"]?.array?.contains("team") == true)
    await server.close()
    try input.fileHandleForWriting.close()
  }
}
