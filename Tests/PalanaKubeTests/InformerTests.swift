import NIOCore
import PalanaCore
import Testing

@testable import PalanaKube

/// A copy that is kept up over everything that happens to a watch.
@Suite(.timeLimit(.minutes(5))) struct InformerTests {
  private static let pods = KubeResource("", "v1", "pods", kind: "Pod")

  private static func object(_ name: String, _ version: Int) -> String {
    #"{"kind":"Pod","metadata":{"name":"\#(name)","resourceVersion":"\#(version)"}}"#
  }

  private static func event(_ type: String, _ name: String, _ version: Int) -> String {
    #"{"type":"\#(type)","object":\#(object(name, version))}"#
  }

  private static func list(_ version: Int, _ names: String...) -> ScriptedServer.Answer {
    .json(
      #"{"metadata":{"resourceVersion":"\#(version)"},"items":[\#(names.map { object($0, version) }.joined(separator: ","))]}"#)
  }

  private static let gone = #"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#

  /// Runs an informer until `condition` holds for what it told.
  private func follow(
    options: Watcher.Options = Watcher.Options(), _ script: @escaping ScriptedServer.Script,
    until condition: @escaping @Sendable ([String]) -> Bool
  ) async throws -> (told: [String], paths: [String], names: [String]) {
    try await ScriptedServer.run(script) { server in
      try await server.client { client in
        let (stream, told) = AsyncStream.makeStream(of: String.self)
        let informer = Informer(Watcher(client, Self.pods, options: options)) { object in object.resourceVersion }
        let heard = await withTaskGroup(of: [String].self) { group in
          group.addTask {
            await informer.run(
              onSync: { told.yield("synced") }, onFailure: { told.yield("failed \($0.kind)") },
              onChange: { change in told.yield("\(change.key) \(change.old ?? "-")>\(change.new ?? "-")") })
            return []
          }
          group.addTask {
            var heard: [String] = []
            for await text in stream {
              heard.append(text)
              if condition(heard) { break }
            }
            return heard
          }
          let heard = await group.next() ?? []
          group.cancelAll()
          return heard
        }
        return (heard, server.paths, informer.cache.keys.map(\.name).sorted())
      }
    }
  }

  @Test func aListThenChanges() async throws {
    let result = try await follow { number, _ in
      number == 0
        ? Self.list(5, "a", "b")
        : .lines(
          Self.event("ADDED", "c", 6), Self.event("MODIFIED", "a", 7), Self.event("DELETED", "b", 8),
          #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#, staysOpen: true)
    } until: {
      $0.contains("b 5>-")
    }
    #expect(result.told == ["a ->5", "b ->5", "synced", "c ->6", "a 5>7", "b 5>-"])
    #expect(result.names == ["a", "c"])
    #expect(result.paths[1].contains("resourceVersion=5&") && result.paths[1].contains("allowWatchBookmarks=true"))
  }

  @Test func whatWentAwayUnseenIsTold() async throws {
    let result = try await follow { number, _ in
      switch number {
      case 0: Self.list(5, "a", "b")
      case 1: .lines(Self.gone)
      case 2: Self.list(20, "b", "c")
      default: .lines(staysOpen: true)
      }
    } until: {
      $0.filter { $0 == "synced" }.count == 2
    }
    #expect(result.told == ["a ->5", "b ->5", "synced", "b 5>20", "c ->20", "a 5>-", "synced"])
    #expect(result.names == ["b", "c"])
  }

  /// A server that knows before it begins says so in the answer itself.
  @Test(arguments: [#"{"kind":"Status","code":410,"reason":"Expired"}"#, #"{"kind":"Status","code":410,"reason":"Gone"}"#, "gone"])
  func aWatchThatIsRefusedBecauseItsPlaceIsGone(answer: String) async throws {
    let result = try await follow { number, _ in
      switch number {
      case 0: Self.list(5, "a")
      case 1: .json(answer, status: 410)
      case 2: Self.list(20, "b")
      default: .lines(staysOpen: true)
      }
    } until: {
      $0.filter { $0 == "synced" }.count == 2
    }
    #expect(result.told == ["a ->5", "synced", "b ->20", "a 5>-", "synced"])
    #expect(result.paths.count >= 3 && result.paths[1].contains("watch=true") && !result.paths[2].contains("watch"))
  }

  @Test func aWatchKeepsThePauseThatTheServerAsksFor() async throws {
    let start = ContinuousClock.now
    let result = try await follow { number, _ in
      switch number {
      case 0: Self.list(5, "a")
      case 1: ScriptedServer.Answer(status: 429, headers: [("retry-after", "1")])
      default: .lines(Self.event("MODIFIED", "a", 9), staysOpen: true)
      }
    } until: {
      $0.contains("a 5>9")
    }
    #expect(result.told == ["a ->5", "synced", "failed throttled", "a 5>9"] && .now - start >= .seconds(1))
    #expect(result.paths.last?.contains("resourceVersion=5&") == true)
  }

  @Test func aSlowServerIsFollowedToo() async throws {
    let result = try await follow { number, _ in
      var answer = number == 0 ? Self.list(5, "a") : .lines(Self.event("MODIFIED", "a", 6), Self.event("DELETED", "a", 7), staysOpen: true)
      (answer.pause, answer.drip) = (.milliseconds(50), .milliseconds(50))
      return answer
    } until: {
      $0.contains("a 6>-")
    }
    #expect(result.told == ["a ->5", "synced", "a 5>6", "a 6>-"])
  }

  @Test func aWatchThatBreaksOffGoesOnWhereItWas() async throws {
    let result = try await follow { number, _ in
      switch number {
      case 0: Self.list(5, "a")
      case 1:
        ScriptedServer.Answer(pieces: [Self.event("MODIFIED", "a", 7) + "\n", #"{"type":"MOD"#], breaksOff: true)
      default: .lines(Self.event("MODIFIED", "a", 9), staysOpen: true)
      }
    } until: {
      $0.contains("a 7>9")
    }
    #expect(result.told == ["a ->5", "synced", "a 5>7", "failed unreachable", "a 7>9"])
    #expect(result.paths.last?.contains("resourceVersion=7&") == true)
  }

  /// A collection in which nothing happens: the watch is begun anew where it was, and nothing has failed.
  @Test func aSilentWatchIsBegunAnew() async throws {
    var options = Watcher.Options()
    options.silence = .milliseconds(100)
    let result = try await follow(options: options) { number, _ in
      switch number {
      case 0: Self.list(5, "a")
      case 1: .lines(Self.event("MODIFIED", "a", 7), staysOpen: true)
      case 2: .lines(staysOpen: true)
      default: .lines(Self.event("MODIFIED", "a", 9), staysOpen: true)
      }
    } until: {
      $0.contains("a 7>9")
    }
    #expect(result.told == ["a ->5", "synced", "a 5>7", "a 7>9"])
    #expect(result.paths.dropFirst(2).allSatisfy { $0.contains("resourceVersion=7&") })
  }

  @Test func badEventsAreGotOver() async throws {
    let result = try await follow { number, _ in
      switch number {
      case 0: Self.list(5, "a")
      case 1: .lines(Self.event("MODIFIED", "a", 6), "rubbish")
      case 2: .json("", status: 403)
      default: .lines(Self.event("DELETED", "a", 8), staysOpen: true)
      }
    } until: {
      $0.contains("a 6>-")
    }
    #expect(result.told == ["a ->5", "synced", "a 5>6", "failed malformed", "failed forbidden", "a 6>-"])
  }

  @Test func anEventCutIntoBytes() async throws {
    let result = try await follow { number, _ in
      number == 0
        ? Self.list(5) : ScriptedServer.Answer(pieces: Self.event("ADDED", "x", 6).map(String.init) + ["\n"], staysOpen: true)
    } until: {
      $0.contains("x ->6")
    }
    #expect(result.told == ["synced", "x ->6"])
  }

  @Test func whatIsNotKeptIsNotTold() async throws {
    let names = try await ScriptedServer.run { number, _ in
      number == 0 ? Self.list(5, "a", "skip") : .lines(Self.event("MODIFIED", "skip", 6), Self.event("ADDED", "end", 7), staysOpen: true)
    } _: { server in
      try await server.client { client in
        let informer = Informer(Watcher(client, Self.pods)) { $0.name == "skip" ? nil : $0.name }
        let (stream, told) = AsyncStream.makeStream(of: String.self)
        return await withTaskGroup(of: [String].self) { group in
          group.addTask {
            await informer.run { change in told.yield(change.key.name) }
            return []
          }
          group.addTask {
            var names: [String] = []
            for await name in stream {
              names.append(name)
              if name == "end" { break }
            }
            return names
          }
          let names = await group.next() ?? []
          group.cancelAll()
          return names
        }
      }
    }
    #expect(names == ["a", "end"])
  }
}
