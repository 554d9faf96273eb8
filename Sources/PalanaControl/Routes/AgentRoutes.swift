import HTTPTypes
import Hummingbird
import NIOCore
import PalanaAPI
import PalanaControlAPI
import PalanaCore
import PalanaPlan
import ServiceLifecycle

/// Running agents.
enum AgentRoutes {
  static func handlers(_ agents: AgentService) -> RouteHandlers {
    [
      .runAgent: { call in
        let request = try await call.body(RunRequest.self)
        return try call.answer(await agents.run(call.name, request, owner: call.owner, by: call.caller))
      },
      .stopAgent: { call in try call.answer(await agents.stop(call.name, owner: call.owner, by: call.caller)) },
      .resumeAgent: { call in
        try call.answer(await agents.resume(call.name, owner: call.owner, by: call.caller))
      },
      .restartAgent: { call in
        try call.answer(await agents.restart(call.name, owner: call.owner, by: call.caller))
      },
      .waitForAgent: { call in try await wait(call, agents) },
      .agentLogs: { call in try await logs(call, agents) },
      .execInAgent: { call in
        ExecSession.response(
          to: call.request, agent: try await agents.reachable(call.name, owner: call.owner, by: call.caller),
          agents, call.caller)
      },
      .copyIntoAgent: { call in try await copyIn(call, agents) },
      .copyFromAgent: { call in try await copyOut(call, agents) },
    ]
  }

  private static func wait(_ call: RouteCall, _ agents: AgentService) async throws -> Response {
    var phases: Set<AgentStatus.Phase> = []
    for text in call.query.all("phase") {
      guard let phase = AgentStatus.Phase(rawValue: text) else {
        throw PalanaError(
          .invalid, "phase is one of \(AgentStatus.Phase.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      phases.insert(phase)
    }
    var condition = WaitCondition(phases: phases, exitAfter: try call.query.time("exitAfter"))
    if condition.phases.isEmpty, condition.exitAfter == nil { condition.exitAfter = agents.clock.now() }
    let limit = Duration.seconds(try call.query.integer("timeout", in: 0...60) ?? 30)
    let (name, owner, wanted) = (try call.name, try call.owner, condition)
    let result = try await cancelWhenGracefulShutdown {
      try await agents.wait(name, for: wanted, atMost: limit, owner: owner, by: call.caller)
    }
    return try call.answer(result)
  }

  private static func logs(_ call: RouteCall, _ agents: AgentService) async throws -> Response {
    let options = LogOptions(
      follow: try call.query.flag("follow"), since: try call.query.time("since"),
      previous: try call.query.flag("previous"), tail: try call.query.integer("tail", in: 0...1_000_000))
    let lines = try await agents.logs(call.name, options, owner: call.owner, by: call.caller)
    return StreamingAnswer.response(to: call.request, mediaType: "application/x-ndjson") { _, emit in
      do {
        for try await line in lines {
          let record = LogRecord(
            time: line.time, stream: line.stream == .stdout ? .stdout : .stderr, text: line.text)
          try await emit(JSONAnswer.encode(record) + [10])
        }
      } catch {
        await StreamingAnswer.fail(error, emit)
      }
    }
  }

  private static func copyIn(_ call: RouteCall, _ agents: AgentService) async throws -> Response {
    guard let directory = call.query.text("path") else { throw PalanaError(.invalid, "path is missing") }
    let agent = try await agents.reachable(call.name, owner: call.owner, by: call.caller)
    let (tar, caller) = (BodyReader(call.request.body).pieces, call.caller)
    try await cancelWhenGracefulShutdown {
      try await agents.copyIn(to: agent, directory: directory, tar: tar, by: caller)
    }
    return Response(status: .noContent)
  }

  private static func copyOut(_ call: RouteCall, _ agents: AgentService) async throws -> Response {
    guard let path = call.query.text("path") else { throw PalanaError(.invalid, "path is missing") }
    let agent = try await agents.reachable(call.name, owner: call.owner, by: call.caller)
    let tar = try await agents.copyOut(from: agent, path: path, by: call.caller)
    let body = ResponseBody { writer in
      // A tar stream has no place for an error: the answer is cut short, which every reader of chunked bodies notices.
      for try await piece in tar.cancelOnGracefulShutdown() { try await writer.write(ByteBuffer(bytes: piece)) }
      if Task.isShuttingDownGracefully { throw CancellationError() }
      try await writer.finish(nil)
    }
    return Response(status: .ok, headers: [.contentType: "application/x-tar"], body: body)
  }
}
