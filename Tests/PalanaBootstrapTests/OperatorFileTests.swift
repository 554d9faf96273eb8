import Foundation
import PalanaCore
import PalanaOperator
import PalanaPlan
import Testing

@testable import PalanaBootstrap

/// The configuration of the operator: what follows from it, and what is refused.
@Suite struct OperatorFileTests {
  /// Writes the file and what it names into a folder that is removed after `body`.
  private func with<Value>(_ yaml: String, ca: String = "-----BEGIN CERTIFICATE-----\n", _ body: (OperatorFile) throws -> Value) throws
    -> Value
  {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try ca.write(to: folder.appending(path: "ca.pem"), atomically: true, encoding: .utf8)
    try String(repeating: "k", count: 64).write(to: folder.appending(path: "key"), atomically: true, encoding: .utf8)
    let path = folder.appending(path: "operator.yaml")
    let text = yaml + "\ncaFile: \(folder.path())/ca.pem\nproxyKeyFile: \(folder.path())/key\n"
    try text.write(to: path, atomically: true, encoding: .utf8)
    return try body(try OperatorFile.read(path.path()))
  }

  private static let named = "gateway: {host: gw.palana.svc, pods: {namespace: palana, labels: {app: gw}, port: 13128}}"

  @Test func whatFollows() throws {
    try with(Self.named + "\nllm: {url: 'http://llm.palana.svc:4000/v1', port: 4000, pods: {cidrs: [10.0.0.1/32]}}") { file in
      let configuration = try file.configuration(identity: "x", hasCilium: true)
      #expect(configuration.platform.gateway == .name("gw.palana.svc") && configuration.platform.proxyPort == 3128)
      #expect(configuration.cluster.gateway.ports == [13_128])
      #expect(configuration.cluster.dns == .init(namespace: "kube-system", labels: ["k8s-app": "kube-dns"], ports: [53]))
      #expect(configuration.cluster.names == ["gw.palana.svc", "llm.palana.svc"] && configuration.cluster.hasCilium)
      #expect(configuration.proxyToken("u").reveal().count == 64)
    }
    // Known by address: there is nothing to ask a name server for.
    try with("gateway: {host: 10.0.0.5, pods: {cidrs: [10.0.0.5/32]}}") { file in
      let configuration = try file.configuration(identity: "x", hasCilium: false)
      #expect(configuration.cluster.dns == nil && configuration.cluster.names.isEmpty)
    }
  }

  @Test(
    "what is refused",
    arguments: [
      ("gateway: {host: gw, pods: {labels: {a: b}}}", "nobody"), ("gateway: {host: gw, port: 0, pods: {namespace: n}}", "port"),
      ("gateway: {hst: gw, pods: {namespace: n}}", "hst"), (named + "\nhostimage: x", "hostimage"),
      (named + "\nbrowser: {domain: d, from: {namespace: n}}", "exactly one"),
      (named + "\nbrowser: {domain: d, from: {namespace: n}, ingress: {class: nginx}}", "sign in"),
    ])
  func refusals(yaml: String, word: String) throws {
    let error = #expect(throws: PalanaError.self) {
      try with(yaml) { try $0.configuration(identity: "x", hasCilium: false) }
    }
    #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
  }

  @Test func aKeyIsNoCertificate() throws {
    let error = #expect(throws: PalanaError.self) {
      try with(Self.named, ca: "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n") {
        try $0.configuration(identity: "x", hasCilium: false)
      }
    }
    #expect(error?.message.contains("caFile") == true)
  }
}
