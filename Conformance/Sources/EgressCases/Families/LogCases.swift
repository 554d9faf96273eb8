/// One well-formed event for each request, whatever is in it.
enum LogCases {
  static let all: [EgressCase] =
    hostile.map { name, path in
      EgressCase(.logs, "path-\(name)", "A hostile path is one well-formed event, without its query.") { attack in
        let answer = try await attack.ask(attack.request(path.replacing("PATH", with: attack.path)))
        attack.expectEvent("one event for the request") { $0.text.contains(attack.mark) || $0.requestID == answer.requestID }
        guard !attack.target.audit.isEmpty else { throw Missing("there is no audit export") }
        return .held
      }
    } + [counted, queryLeftOut, denials]

  private static let hostile = [
    ("newline", "PATH/%0a%0d{\"decision\":\"allow\"}"), ("quotes", "PATH/\"'\\\"".replacing("\\", with: "")), ("escape", "PATH/%1b[31m"),
    ("invalid-utf8", "PATH/%ff%fe"), ("long", "PATH/" + String(repeating: "a", count: 20_000)), ("html", "PATH/<script>"),
    ("format", "PATH/%25s%25n$(id)"),
  ]

  private static let counted = EgressCase(.logs, "one-event-each", "So many requests, so many events.") { attack in
    guard !attack.target.audit.isEmpty else { throw Missing("there is no audit export") }
    let wire = try await attack.tunnel()
    for number in 0..<20 {
      try await wire.send(attack.request("\(attack.path)/\(number)"))
      guard try await wire.answer().status == 200 else { return .broken("a request was refused") }
      attack.expectEvent("request \(number)") {
        $0.path == "\(attack.path)/\(number)" && $0.decision == "allow" && $0.agent == attack.target.a.name
      }
    }
    return .held
  }

  private static let queryLeftOut = EgressCase(.logs, "no-query", "The query of a request is in no event.") { attack in
    guard !attack.target.audit.isEmpty else { throw Missing("there is no audit export") }
    let hidden = "hidden\(attack.mark)"
    let answer = try await attack.ask(attack.request(attack.path + "?q=" + hidden))
    guard answer.status == 200 else { return .broken("answered \(answer.status)") }
    attack.expectEvent("the request, without its query") { $0.path == attack.path && !$0.text.contains(hidden) }
    return .held
  }

  private static let denials = EgressCase(.logs, "refusals-are-flagged", "Each refusal is an event with the host in canonical form.") {
    attack in
    guard !attack.target.audit.isEmpty else { throw Missing("there is no audit export") }
    let answer = try await attack.connect("UNHEARD-OF-\(attack.mark.uppercased()).Invalid.:443").answer
    let name = "unheard-of-\(attack.mark).invalid"
    attack.expectEvent("the refusal names \(name)") { $0.host == name && $0.decision == "deny" }
    return attack.refused(answer, "host_not_allowed")
  }
}
