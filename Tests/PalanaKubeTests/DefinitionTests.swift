import NIOHTTP1
import PalanaAPI
import PalanaCore
import Testing

@testable import PalanaKube

/// The definitions of Palana's kinds in a real API server: that it takes them, and what it makes of objects.
@Suite(.enabled(if: APIServer.isPresent, "there is no Kubernetes API server"), .serialized, .timeLimit(.minutes(5)))
struct DefinitionTests {
  private static let definitions = KubeResource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", kind: "CustomResourceDefinition", isNamespaced: false)
  private static let agents = KubeResource(CustomResourceDefinition.group, CustomResourceDefinition.version, "agents", kind: "Agent")

  /// Runs `body` with the definitions in place.
  private func run(_ body: (KubeClient, String) async throws -> Void) async throws {
    try await APIServer.run { client, namespace in
      for definition in CustomResourceDefinition.all { _ = try await client.apply(Self.definitions, KubeObject(definition)) }
      // The server makes a kind known by and by.
      for definition in CustomResourceDefinition.all {
        let name = KubeObject(definition).name
        var isEstablished = false
        while !isEstablished {
          let object = try await client.get(Self.definitions, name)
          let conditions = object["status"]?["conditions"]?.array ?? []
          isEstablished = conditions.contains { $0["type"]?.string == "Established" && $0["status"]?.string == "True" }
          #expect(!conditions.contains { $0["type"]?.string == "NonStructuralSchema" && $0["status"]?.string == "True" }, "\(name)")
        }
      }
      while try await !client.serves(Self.agents) { await Task.yield() }
      try await body(client, namespace)
    }
  }

  private static func agent(_ name: String, in namespace: String, _ spec: JSONValue) -> KubeObject {
    var object = KubeObject(agents, namespace: namespace, name: name)
    object["spec"] = spec
    return object
  }

  /// As docs and contract write one.
  private static let whole: JSONValue = [
    "owner": "alice@example.com", "template": "python", "command": ["python3", "agent.py"], "env": ["LOG_LEVEL": "info"],
    "resources": ["cpu": 2, "memory": "2Gi", "pids": 256, "storage": "5Gi"],
    "lifecycle": ["desired": "Running", "restart": "OnFailure", "idleAfter": "8h"],
    "ports": [["name": "ui", "port": 8080, "browser": true]],
    "trust": ["profile": "default", "phase": "shadow"],
    "egress": ["rules": [["host": "api.github.com", "methods": ["GET"], "paths": ["/repos/**"]]]], "secrets": [["name": "GITHUB_PAT"]],
  ]

  @Test func anAgentIsTakenAndKeptWhole() async throws {
    try await run { client, namespace in
      let made = try await client.create(Self.agents, Self.agent("demo", in: namespace, Self.whole))
      #expect(made["spec"] == Self.whole && made.generation == 1)
      let found = try await client.list(Self.agents, Selection(namespace: namespace))
      #expect(found.objects.map(\.name) == ["demo"])
    }
  }

  @Test func whatIsWrongIsRefused() async throws {
    let wrong: [(String, JSONValue)] = [
      ("demo", ["lifecycle": ["desired": "Runing"]]), ("demo", ["resources": ["pids": 2]]),
      ("demo", ["ports": [["name": "ui", "port": 65_536]]]),
      ("demo", ["ports": [["name": "ui"]]]), ("demo", ["ports": [["name": "a", "port": 1], ["name": "a", "port": 2]]]), ("demo", "text"),
      ("demo", ["command": "sh"]), ("demo", ["env": ["A": 1]]), ("demo", .null), (String(repeating: "x", count: 41), [:]), ("a.b", [:]),
    ]
    try await run { client, namespace in
      for (name, spec) in wrong {
        let error = await #expect(throws: KubeError.self, "\(name) \(spec)") {
          try await client.create(Self.agents, Self.agent(name, in: namespace, spec))
        }
        #expect(error?.kind == .invalid, "\(name) \(spec): \(error as Any)")
      }
      _ = try await client.create(Self.agents, Self.agent(String(repeating: "x", count: 40), in: namespace, [:]))
    }
  }

  @Test func theOwnerStays() async throws {
    try await run { client, namespace in
      _ = try await client.create(Self.agents, Self.agent("demo", in: namespace, ["template": "python"]))
      // Set once, by whoever makes it known.
      _ = try await client.patch(Self.agents, "demo", in: namespace, .merge(["spec": ["owner": "alice@example.com"]]))
      for owner: JSONValue in ["bob@example.com", .null, ""] {
        let error = await #expect(throws: KubeError.self) {
          try await client.patch(Self.agents, "demo", in: namespace, .merge(["spec": ["owner": owner]]))
        }
        #expect(error?.kind == .invalid && error?.message.contains("the owner is immutable") == true, "\(error as Any)")
      }
      let changed = try await client.patch(Self.agents, "demo", in: namespace, .merge(["spec": ["template": "node"]]))
      #expect(changed["spec"]?["owner"]?.string == "alice@example.com")
    }
  }

  /// Who may write the spec does not write the status, and the other way round.
  @Test func theStatusIsAPartOfItsOwn() async throws {
    try await run { client, namespace in
      var agent = Self.agent("demo", in: namespace, ["template": "python"])
      agent["status"] = ["phase": "Running"]
      let made = try await client.create(Self.agents, agent)
      #expect(made["status"] == nil)
      var status = made
      status["spec"] = ["template": "other"]
      status["status"] = ["phase": "Running", "restarts": 2]
      let written = try await client.replace(Self.agents, status, subresource: "status")
      #expect(written["status"]?["restarts"]?.int == 2 && written["spec"]?["template"]?.string == "python" && written.generation == 1)
      let wrong = await #expect(throws: KubeError.self) {
        try await client.patch(Self.agents, "demo", in: namespace, .merge(["status": ["phase": "Dancing"]]), subresource: "status")
      }
      #expect(wrong?.kind == .invalid)
    }
  }

  /// Several controllers write conditions of the same object, each its own.
  @Test func conditionsHaveOwners() async throws {
    try await run { client, namespace in
      _ = try await client.create(Self.agents, Self.agent("demo", in: namespace, [:]))
      for (manager, type) in [("one", "Ready"), ("two", "Contained")] {
        var other = client
        other.fieldManager = manager
        var object = KubeObject(Self.agents, namespace: namespace, name: "demo")
        object["status"] = [
          "phase": "Running",
          "conditions": [
            ["type": .string(type), "status": "True", "reason": "Test", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"]
          ],
        ]
        _ = try await other.apply(Self.agents, object, subresource: "status", force: false)
      }
      let conditions = try await client.get(Self.agents, "demo", in: namespace)["status"]?["conditions"]?.array ?? []
      #expect(conditions.compactMap { $0["type"]?.string }.sorted() == ["Contained", "Ready"])
    }
  }

  private static let orders = KubeResource(
    CustomResourceDefinition.group, CustomResourceDefinition.version, "killorders", kind: "KillOrder", isNamespaced: false)

  private static func order(_ name: String, _ target: JSONValue) -> KubeObject {
    var object = KubeObject(orders, namespace: "", name: name)
    object["spec"] = ["target": target, "reason": "test", "by": "admin", "at": "2026-01-01T00:00:00Z"]
    return object
  }

  @Test func anOrderIsForOneAndStays() async throws {
    try await run { client, _ in
      let wrong: [JSONValue] = [
        [:], ["all": false], ["all": true, "owner": "alice@example.com"], ["agent": "demo-1234567890", "template": "python"],
        ["who": "all"],
      ]
      for target in wrong {
        let error = await #expect(throws: KubeError.self, "\(target)") { try await client.create(Self.orders, Self.order("o", target)) }
        #expect(error?.kind == .invalid, "\(target): \(error as Any)")
      }
      let right: [JSONValue] = [["all": true], ["owner": "alice@example.com"], ["agent": "demo-1234567890"], ["template": "python"]]
      for (index, target) in right.enumerated() { _ = try await client.create(Self.orders, Self.order("o\(index)", target)) }
      for change: JSONValue in [["target": ["all": true]], ["reason": "other"], ["stop": false]] {
        let error = await #expect(throws: KubeError.self) {
          try await client.patch(Self.orders, "o1", in: nil, .merge(["spec": change]))
        }
        #expect(error?.kind == .invalid && error?.message.contains("an order is not changed") == true, "\(error as Any)")
      }
      _ = try await client.patch(Self.orders, "o1", in: nil, .merge(["metadata": ["labels": ["a": "b"]]]))
    }
  }

  /// Every gateway and the operator write their entries side by side.
  @Test func planesHaveOwners() async throws {
    try await run { client, _ in
      _ = try await client.create(Self.orders, Self.order("o", ["all": true]))
      for (manager, plane) in [("one", "gateway"), ("two", "gateway"), ("palana-operator", "network"), ("one", "gateway")] {
        var other = client
        other.fieldManager = manager
        var object = KubeObject(Self.orders, namespace: "", name: "o")
        object["status"] = ["planes": [["plane": .string(plane), "by": .string(manager), "at": "2026-01-01T00:00:00Z"]]]
        _ = try await other.apply(Self.orders, object, subresource: "status", force: false)
      }
      let found = try await client.get(Self.orders, "o")
      let order = try StrictDecoder.decode(KillOrder.self, from: found.json, passesUnknown: true)
      let said = order.status?.planes?.map { "\($0.plane.rawValue) \($0.by)" } ?? []
      #expect(said.sorted() == ["gateway one", "gateway two", "network palana-operator"])
    }
  }

  @Test func whatKubectlShows() async throws {
    try await run { client, namespace in
      _ = try await client.create(Self.agents, Self.agent("demo", in: namespace, Self.whole))
      var request = client.request(.GET, try Self.agents.path(namespace: namespace))
      request.accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
      let table = try JSONValue(parsing: try await client.server.send(request))
      let names = table["columnDefinitions"]?.array?.compactMap { $0["name"]?.string }
      #expect(names == ["Name", "Phase", "Owner", "Template", "Address", "Restarts", "Age"])
      #expect(table["rows"]?[0]?["cells"]?[2]?.string == "alice@example.com")
    }
  }
}
