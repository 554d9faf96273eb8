import KubeTestServer
import PalanaCore
import Testing

@testable import PalanaKube

/// What every API server does, the double too: against each one that this machine has.
@Suite(.timeLimit(.minutes(5))) struct AnyServerTests {
  static let servers = [KubeTestServer.real, .double].filter(\.isPresent)

  private static let maps = KubeResource("", "v1", "configmaps", kind: "ConfigMap")

  private static func map(_ name: String, in namespace: String, _ x: String) -> KubeObject {
    var object = KubeObject(maps, namespace: namespace, name: name)
    object["data"] = ["x": .string(x)]
    return object
  }

  @Test(arguments: servers) func whatIsServedIsFoundOut(_ server: KubeTestServer) async throws {
    try await APIServer.run(on: server) { client, _ in
      let version = try await client.version()
      #expect(version.hasPrefix("v1."))
      #expect(try await client.serves(Self.maps))
      #expect(try await !client.serves(KubeResource("", "v1", "things", kind: "Thing")))
      #expect(try await !client.serves(KubeResource("example.test", "v1", "things", kind: "Thing")))
    }
  }

  @Test(arguments: servers) func objectsComeAndGo(_ server: KubeTestServer) async throws {
    try await APIServer.run(on: server) { client, namespace in
      #expect(try await client.find(Self.maps, "a", in: namespace) == nil)
      _ = try await client.create(Self.maps, Self.map("a", in: namespace, "1"))
      let twice = await #expect(throws: KubeError.self) { try await client.create(Self.maps, Self.map("a", in: namespace, "2")) }
      #expect(twice?.status == 409)
      #expect(try await client.get(Self.maps, "a", in: namespace)["data"]?["x"]?.string == "1")
      let patched = try await client.patch(Self.maps, "a", in: namespace, .merge(["data": ["y": "3", "x": .null]]))
      #expect(patched["data"] == ["y": "3"])
      let lost = await #expect(throws: KubeError.self) {
        try await client.patch(Self.maps, "b", in: namespace, .merge(["data": ["y": "3"]]))
      }
      #expect(lost?.kind == .notFound)
      #expect(try await client.delete(Self.maps, "a", in: namespace))
      #expect(try await !client.delete(Self.maps, "a", in: namespace))
      #expect(try await client.find(Self.maps, "a", in: namespace) == nil)
    }
  }

  @Test(arguments: servers) func aCollectionIsThatOfItsNamespace(_ server: KubeTestServer) async throws {
    try await APIServer.run(on: server) { client, namespace in
      try await APIServer.run(on: server) { _, other in
        for name in ["a", "b", "c"] { _ = try await client.create(Self.maps, Self.map(name, in: namespace, name)) }
        _ = try await client.create(Self.maps, Self.map("d", in: other, "d"))
        // A real server puts one of its own into each namespace, by and by.
        func names(_ selection: Selection) async throws -> Set<String> {
          Set(try await client.list(Self.maps, selection).objects.map(\.key.description).filter { !$0.hasSuffix("/kube-root-ca.crt") })
        }
        let (mine, theirs) = (Set(["a", "b", "c"].map { "\(namespace)/\($0)" }), "\(other)/d")
        #expect(try await names(Selection(namespace: namespace)) == mine)
        #expect(try await names(Selection()).isSuperset(of: mine.union([theirs])))
      }
    }
  }

  /// The double tells of everything again when a watch begins: what is heard twice changes nothing.
  @Test(arguments: servers) func anInformerFollows(_ server: KubeTestServer) async throws {
    try await APIServer.run(on: server) { client, namespace in
      _ = try await client.create(Self.maps, Self.map("before", in: namespace, "1"))
      let informer = Informer(Watcher(client, Self.maps, Selection(namespace: namespace))) { $0["data"]?["x"]?.string }
      let (changes, told) = AsyncStream.makeStream(of: String.self)
      let heard = try await withThrowingTaskGroup(of: [String].self) { group in
        group.addTask {
          await informer.run(onSync: { told.yield("synced") }) { change in
            if change.old != change.new { told.yield("\(change.key.name) \(change.old ?? "-")>\(change.new ?? "-")") }
          }
          return []
        }
        group.addTask {
          var heard: [String] = []
          for await text in changes {
            heard.append(text)
            switch text {
            case "synced": _ = try await client.create(Self.maps, Self.map("later", in: namespace, "1"))
            case "later ->1": _ = try await client.patch(Self.maps, "before", in: namespace, .merge(["data": ["x": "2"]]))
            case "before 1>2": try await client.delete(Self.maps, "later", in: namespace)
            case "later 1>-": return heard
            default: break
            }
          }
          return heard
        }
        let heard = try await group.next() ?? []
        group.cancelAll()
        return heard
      }
      #expect(heard == ["before ->1", "synced", "later ->1", "before 1>2", "later 1>-"])
      #expect(informer.cache.isSynced && informer.cache.all.count == 1)
    }
  }
}
