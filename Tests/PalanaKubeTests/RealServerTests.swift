import Foundation
import KubeTestServer
import Logging
import NIOHTTP1
import PalanaCore
import Synchronization
import Testing

@testable import PalanaKube

/// What only a real API server does: see AnyServerTests for the rest.
@Suite(.enabled(if: APIServer.isPresent, "there is no Kubernetes API server"), .timeLimit(.minutes(5)))
struct RealServerTests {
  private static let maps = KubeResource("", "v1", "configmaps", kind: "ConfigMap")
  private static let roles = KubeResource("rbac.authorization.k8s.io", "v1", "roles", kind: "Role")
  private static let bindings = KubeResource("rbac.authorization.k8s.io", "v1", "rolebindings", kind: "RoleBinding")

  private static func map(_ name: String, in namespace: String, _ data: [String: String], labels: [String: String] = [:]) -> KubeObject {
    var object = KubeObject(maps, namespace: namespace, name: name)
    var values = JSONObject()
    for (key, value) in data { values[key] = .string(value) }
    object["data"] = .object(values)
    if !labels.isEmpty {
      var texts = JSONObject()
      for (key, value) in labels { texts[key] = .string(value) }
      object.setMetadata("labels", .object(texts))
    }
    return object
  }

  @Test func objectsHaveVersionsAndIdentities() async throws {
    try await APIServer.run { client, namespace in
      #expect(await client.isReady())
      let made = try await client.create(Self.maps, Self.map("a", in: namespace, ["x": "1"]))
      #expect(!made.uid.isEmpty && !made.resourceVersion.isEmpty)
      let twice = await #expect(throws: KubeError.self) { try await client.create(Self.maps, Self.map("a", in: namespace, [:])) }
      #expect(twice?.kind == .alreadyExists)
      var changed = made
      changed["data"] = ["x": "2"]
      let replaced = try await client.replace(Self.maps, changed)
      // As it was read first: somebody else was faster.
      let stale = await #expect(throws: KubeError.self) { try await client.replace(Self.maps, changed) }
      #expect(stale?.kind == .conflict && replaced["data"]?["x"]?.string == "2")
      let other = await #expect(throws: KubeError.self) { try await client.delete(Self.maps, "a", in: namespace, uid: "not-it") }
      #expect(other?.kind == .conflict)
      #expect(try await client.delete(Self.maps, "a", in: namespace, uid: made.uid))
      #expect(try await !client.delete(Self.maps, "a", in: namespace))
    }
  }

  @Test func fieldsHaveOwners() async throws {
    try await APIServer.run { client, namespace in
      _ = try await client.apply(Self.maps, Self.map("a", in: namespace, ["mine": "1", "ours": "1"]))
      var other = client
      other.fieldManager = "somebody-else"
      let refused = await #expect(throws: KubeError.self) {
        try await other.apply(Self.maps, Self.map("a", in: namespace, ["ours": "2"]), force: false)
      }
      #expect(refused?.kind == .conflict)
      _ = try await other.apply(Self.maps, Self.map("a", in: namespace, ["theirs": "2"]), force: false)
      // What is no longer declared goes, what others declared stays.
      let dry = try await client.apply(Self.maps, Self.map("a", in: namespace, ["mine": "1"]), dryRun: true)
      #expect(dry["data"] == ["mine": "1", "theirs": "2"])
      #expect(try await client.get(Self.maps, "a", in: namespace)["data"]?["ours"]?.string == "1")
      let applied = try await client.apply(Self.maps, Self.map("a", in: namespace, ["mine": "1"]))
      #expect(applied["data"] == ["mine": "1", "theirs": "2"])
      // Nothing changed, so nothing was written.
      #expect(try await client.apply(Self.maps, Self.map("a", in: namespace, ["mine": "1"])).resourceVersion == applied.resourceVersion)
    }
  }

  @Test func listsHavePagesAndSelections() async throws {
    try await APIServer.run { client, namespace in
      for number in 0..<7 {
        _ = try await client.create(
          Self.maps, Self.map("m\(number)", in: namespace, [:], labels: ["parity": number.isMultiple(of: 2) ? "even" : "odd"]))
      }
      let selection = Selection(namespace: namespace, labels: "parity in (even)")
      let first = try await client.page(Self.maps, selection, size: 3)
      #expect(first.objects.map(\.name) == ["m0", "m2", "m4"] && first.next != nil)
      let second = try await client.page(Self.maps, selection, size: 3, after: first.next)
      #expect(second.objects.map(\.name) == ["m6"] && second.next == nil)
      #expect(try await client.list(Self.maps, Selection(namespace: namespace, fields: "metadata.name=m3")).objects.map(\.name) == ["m3"])
      try await client.deleteAll(Self.maps, selection)
      #expect(
        try await client.list(Self.maps, Selection(namespace: namespace, labels: "parity")).objects.map(\.name) == ["m1", "m3", "m5"])
    }
  }

  @Test func aPlaceThatIsTooOldIsGone() async throws {
    try await APIServer.run { client, namespace in
      let path = try Self.maps.path(namespace: namespace) + "?watch=true&resourceVersion=1&timeoutSeconds=5"
      var splitter = LineSplitter(limit: 1 << 20)
      do {
        for try await bytes in try await client.server.stream(client.request(.GET, path)) {
          splitter.append(bytes)
          guard let line = try splitter.next() else { continue }
          guard case .error(let error) = try WatchLine(line) else { return #expect(Bool(false)) }
          #expect(error.kind == .gone)
          return
        }
      } catch let error as KubeError {
        #expect(error.kind == .gone)
      }
    }
  }

  /// What changes while the server is away is told once when it is back. A server that has started anew may not know the version that
  /// the watch is at: then all is listed again, and what did not change is told as that.
  @Test func aServerThatRestarts() async throws {
    let folder = NSTemporaryDirectory() + "/palana-api-server-restart-\(ProcessInfo.processInfo.processIdentifier)"
    let first = Pipe()
    let kubeconfig = try KubeTestServer.launch(folder, input: first)
    let endpoint = try await KubeConfig(paths: [kubeconfig]).endpoint()
    let port = try #require(URL(string: endpoint.url)?.port)
    let server = try KubeServer(endpoint)
    let client = KubeClient(server, fieldManager: "palana-tests")
    _ = try await client.create(Self.maps, Self.map("before", in: "default", ["x": "1"]))
    let informer = Informer(Watcher(client, Self.maps, Selection(namespace: "default", labels: "!nobody"))) { $0["data"]?["x"]?.string }
    let (changes, told) = AsyncStream.makeStream(of: String.self)
    let heard = try await withThrowingTaskGroup(of: [String].self) { group in
      group.addTask {
        await informer.run(onSync: { told.yield("synced") }, onFailure: { told.yield("failed \($0.kind)") }) { change in
          told.yield("\(change.key.name) \(change.old ?? "-")>\(change.new ?? "-")")
        }
        return []
      }
      group.addTask {
        var heard: [String] = []
        var second: Pipe?
        for await text in changes where !text.hasPrefix("kube-root-ca.crt") {
          heard.append(text)
          if text == "synced", second == nil {
            try first.fileHandleForWriting.close()
          } else if text.hasPrefix("failed"), second == nil {
            let pipe = Pipe()
            _ = try KubeTestServer.launch(folder, "--port", "\(port)", input: pipe)
            second = pipe
            _ = try await client.apply(Self.maps, Self.map("before", in: "default", ["x": "2"]))
          } else if text == "before 1>2" {
            break
          }
        }
        try second?.fileHandleForWriting.close()
        return heard
      }
      let heard = try await group.next() ?? []
      group.cancelAll()
      return heard
    }
    await server.close()
    try? FileManager.default.removeItem(atPath: folder)
    #expect(heard.filter { $0.hasPrefix("before") && $0 != "before 1>1" } == ["before ->1", "before 1>2"], "\(heard)")
    #expect(heard.starts(with: ["before ->1", "synced"]), "\(heard)")
    #expect(heard.contains("failed unreachable"))
  }

  /// The server judges by the rights of whom a request is made for.
  @Test func whoIsImpersonatedHasTheirOwnRights() async throws {
    try await APIServer.run { client, namespace in
      let alice = client.impersonating(Impersonation(user: "alice@example.com", groups: ["team"]))
      let refused = await #expect(throws: KubeError.self) { try await alice.list(Self.maps, Selection(namespace: namespace)) }
      #expect(refused?.kind == .forbidden && refused?.message.contains("alice@example.com") == true)
      var role = KubeObject(Self.roles, namespace: namespace, name: "reader")
      role["rules"] = [["apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]]]
      _ = try await client.create(Self.roles, role)
      var binding = KubeObject(Self.bindings, namespace: namespace, name: "reader")
      binding["roleRef"] = ["apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"]
      binding["subjects"] = [["apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice@example.com"]]
      _ = try await client.create(Self.bindings, binding)
      var count: Int?
      while count == nil {
        // The authorizer hears of the binding by a watch.
        count = try? await alice.list(Self.maps, Selection(namespace: namespace)).objects.count
        await Task.yield()
      }
      #expect(count == 0)
      let write = await #expect(throws: KubeError.self) { try await alice.create(Self.maps, Self.map("a", in: namespace, [:])) }
      #expect(write?.kind == .forbidden)
    }
  }

  @Test func oneLeadsAtATime() async throws {
    try await APIServer.run { client, namespace in
      var options = LeaderElection.Options()
      options.retry = .milliseconds(50)
      let leaders = Leaders()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<3 {
          group.addTask { [options] in
            let election = LeaderElection(
              client, namespace: namespace, name: "lead", identity: "p\(number)", options: options, logger: Logger(label: "test"))
            try await election.lead {
              leaders.begin()
              await Task.yield()
              leaders.end()
            }
          }
        }
        // Each leads once: who has led gives the lease back.
        try await group.waitForAll()
      }
      #expect(leaders.state.withLock { $0.total } == 3 && leaders.state.withLock { $0.most } == 1)
      let lease = try await client.get(LeaderElection.leases, "lead", in: namespace)
      #expect(LeaseState.Record(lease).holder == "" && LeaseState.Record(lease).transitions >= 2)
    }
  }

  /// Who leads stops before somebody else may begin, when the lease is taken away.
  @Test func whoLosesTheLeaseStops() async throws {
    try await APIServer.run { client, namespace in
      var options = LeaderElection.Options()
      options.retry = .milliseconds(50)
      let election = LeaderElection(
        client, namespace: namespace, name: "lead", identity: "first", options: options, logger: Logger(label: "test"))
      let result = await withTaskGroup(of: Bool.self) { group in
        group.addTask {
          do {
            try await election.lead {
              _ = try await client.patch(
                LeaderElection.leases, "lead", in: namespace, .merge(["spec": ["holderIdentity": "thief"]]))
              try await Task.sleep(for: .seconds(3600))
            }
            return false
          } catch {
            return error is CancellationError
          }
        }
        return await group.next() ?? false
      }
      #expect(result)
      let lease = try await client.get(LeaderElection.leases, "lead", in: namespace)
      #expect(LeaseState.Record(lease).holder == "thief")
    }
  }
}

private final class Leaders: Sendable {
  let state = Mutex<(now: Int, most: Int, total: Int)>((0, 0, 0))

  func begin() {
    state.withLock {
      $0.now += 1
      $0.total += 1
      $0.most = max($0.most, $0.now)
    }
  }

  func end() { state.withLock { $0.now -= 1 } }
}
