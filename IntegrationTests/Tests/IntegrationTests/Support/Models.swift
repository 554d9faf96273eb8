import Foundation
import Synchronization
import Testing

/// An installation with an LLM gateway: routes to the strict provider and to the real LiteLLM proxy.
final class Models: Sendable {
  /// Made for whoever asks first.
  static let shared = Shared()
  static let masterKey = "sk-master-key-of-litellm"

  let platform: Platform
  let server: ModelServer
  private let litellm: ServerProcess?

  actor Shared {
    private var making: Task<Models, any Error>?

    func get() async throws -> Models {
      let making = self.making ?? Task { try await Models(withLiteLLM: true, stopsWithProcess: true) }
      self.making = making
      return try await making.value
    }
  }

  /// - Parameter settings: lines of the configuration below `llm`, beside the routes.
  init(withLiteLLM: Bool = false, stopsWithProcess: Bool = false, settings: [String] = []) async throws {
    let server = try await ModelServer()
    var litellm: ServerProcess?
    var routes = Self.routes(server)
    if withLiteLLM {
      let process = try Self.startLiteLLM(server)
      litellm = process
      routes += Self.litellmRoutes(try await process.port())
    }
    self.server = server
    self.litellm = litellm
    platform = try await Platform(
      configuration: "llm:\n  routes:\n" + routes.map { "    \($0)\n" }.joined() + settings.map { "  \($0)\n" }.joined())
    if stopsWithProcess { ModelsTearDown.register(platform.home, server.folder, platform.upstream.folder) }
    do { try await platform.up() } catch {
      await tearDown()
      throw error
    }
  }

  func tearDown() async {
    await platform.tearDown()
    litellm?.stop()
    server.stop()
  }

  /// It takes as long to start as everything else together.
  func liteLLMAnswers() async throws {
    let ready = server.folder + "/litellm.ready"
    try await waitUntil("LiteLLM answers", within: .seconds(150)) { FileManager.default.fileExists(atPath: ready) }
  }

  private static func routes(_ server: ModelServer) -> [String] {
    let openAI = #"style: openai, credential: {secret: OPENAI_API_KEY}"#
    let anthropic = #"style: anthropic, credential: {secret: ANTHROPIC_API_KEY}"#
    let here = #"upstream: "\#(server.url)""#
    // Nobody listens on the first port.
    let dead = #"{url: "http://\#(server.address):1", weight: 1000}"#
    return [
      "unified: {\(here), \(openAI)}",
      "kept: {\(here), \(openAI), contentLog: true}",
      "narrow: {\(here), \(openAI), maxInput: 100, maxBody: 4Ki}",
      "once: {\(here), \(openAI), retries: 0}",
      "few: {\(here), \(openAI), models: [words], aliases: {fast: words}, maxOutput: 1000}",
      "short: {\(here), \(openAI), firstByteTimeout: 1s, idleTimeout: 1s}",
      #"backup: {upstreams: [\#(dead), {url: "\#(server.url)", weight: 1}], \#(openAI)}"#,
      #"dead: {upstreams: [\#(dead)], \#(openAI)}"#,
      "claude: {\(here), \(anthropic)}",
      "claude-once: {\(here), \(anthropic), retries: 0}",
      #"to-claude: {style: openai, upstreams: [{url: "\#(server.url)", \#(anthropic)}]}"#,
      #"to-openai: {style: anthropic, upstreams: [{url: "\#(server.url)", \#(openAI)}]}"#,
      #"to-openai-once: {style: anthropic, retries: 0, upstreams: [{url: "\#(server.url)", \#(openAI)}]}"#,
    ]
  }

  private static func litellmRoutes(_ port: Int) -> [String] {
    let here = #"upstream: "http://127.0.0.1:\#(port)""#
    return [
      "litellm: {\(here), style: openai, credential: {secret: LITELLM_KEY}}",
      "litellm-messages: {\(here), style: anthropic, credential: {secret: LITELLM_KEY, field: bearer}}",
    ]
  }

  private static func startLiteLLM(_ server: ModelServer) throws -> ServerProcess {
    let configuration = server.folder + "/litellm.yaml"
    try """
    model_list:
      - {model_name: mocked, litellm_params: {model: openai/mocked, api_key: none, mock_response: "Hello from LiteLLM"}}
      - {model_name: limited, litellm_params: {model: openai/limited, api_key: none, mock_response: "litellm.RateLimitError"}}
      - model_name: relayed
        litellm_params: {model: openai/relayed, api_key: \(ModelServer.relay), api_base: "\(server.url)/v1"}
    general_settings: {master_key: \(masterKey)}
    litellm_settings: {telemetry: false, num_retries: 0}
    router_settings: {num_retries: 0, disable_cooldowns: true}
    """.write(toFile: configuration, atomically: true, encoding: .utf8)
    let tools = ProcessInfo.processInfo.environment["PALANA_TOOLS"] ?? "/opt/palana/tools"
    return try ServerProcess(
      tools + "/litellm/bin/python", [Checkout.root + "IntegrationTests/litellm/serve.py", server.folder, configuration],
      portFile: server.folder + "/litellm.json", log: server.folder + "/litellm.log")
  }

  // MARK: Agents

  /// Makes an agent that runs and has its own credentials of the routes.
  func start(_ agent: String, withSDKs: Bool = false) async throws {
    try await platform.pcli(
      "create", agent, "--template", "shell", "--memory", withSDKs ? "2Gi" : "512Mi", "--env", "PYTHONPATH=/data/packages")
    for (name, value) in [
      ("OPENAI_API_KEY", ModelServer.openAI), ("ANTHROPIC_API_KEY", ModelServer.anthropic), ("LITELLM_KEY", Self.masterKey),
    ] { try await platform.pcli("secrets", "add", agent, name, "value=-", input: value) }
    try await platform.pcli("run", agent)
    guard withSDKs else { return }
    let bundle = server.folder + "/sdks.tar"
    let tools = ProcessInfo.processInfo.environment["PALANA_TOOLS"] ?? "/opt/palana/tools"
    let bundled = try await run(
      tools + "/clients/bin/python", [Checkout.root + "IntegrationTests/llm/bundle.py", bundle])
    #expect(bundled.code == 0, "\(bundled.error)")
    let copied = try await run(
      "/bin/sh", ["-c", "exec \"$0\" --home \"$1\" cp - \"$2:/data/\" < \"$3\"", Checkout.pcli, platform.home, agent, bundle])
    #expect(copied.code == 0, "\(copied.error)")
  }

  /// Runs a program of `llm/inside` in the agent; what each of its cases came to.
  func outcomes(_ agent: String, _ program: String, _ arguments: String...) async throws -> [String: String] {
    let finished = try await platform.pcli(["exec", agent, "--", "/usr/bin/python3", "/data/llm/\(program).py"] + arguments)
    #expect(!finished.output.contains("sk-real") && !finished.output.contains("sk-ant-real"), "a value reached the agent")
    let line = try #require(finished.output.split(separator: "\n").last, "\(finished.error)")
    guard case .object(let outcomes) = try JSON(parsing: String(line)) else { return [:] }
    return outcomes.compactMapValues(\.string)
  }

  private static let asking = try? String(contentsOfFile: Checkout.root + "IntegrationTests/llm/inside/ask.py", encoding: .utf8)

  private func send(_ agent: String, _ items: [ModelAsk], together: Bool, expect code: Int32?) async throws -> Finished {
    let input = String(decoding: try JSONEncoder().encode(items), as: UTF8.self)
    let command = ["exec", agent, "--", "/usr/bin/python3", "-c", try #require(Self.asking)]
    return try await platform.pcli(command + (together ? ["together"] : []), input: input, expect: code)
  }

  /// Sends requests of which nobody will hear, since the daemon dies meanwhile.
  func sendInVain(_ agent: String, _ items: [ModelAsk]) async throws { _ = try await send(agent, items, together: true, expect: nil) }

  /// Sends requests from inside the agent, byte for byte.
  func ask(_ agent: String, _ items: [ModelAsk], together: Bool = false) async throws -> [ModelAnswer] {
    let answers = try await send(agent, items, together: together, expect: 0).json().array
    #expect(answers.count == items.count)
    return answers.map(ModelAnswer.init)
  }

  func ask(_ agent: String, _ item: ModelAsk) async throws -> ModelAnswer { try #require(await ask(agent, [item]).first) }

  /// The gateway's events of an agent, oldest first.
  func events(_ agent: String) async throws -> [JSON] {
    try await platform.pcli("audit", "--agent", agent, "--component", "llm", "--limit", "10000", "-o", "json").jsonLines()
  }

  func apply(_ budget: String) async throws { try await platform.pcli("apply", "-f", "-", input: budget) }
}

/// One request that goes out as it is written.
struct ModelAsk: Encodable, Sendable {
  var path = ""
  var method: String?
  var body: String?
  var fields: [[String]]?
  /// The whole request, in place of the others.
  var send: String?
  /// What follows it, so many times.
  var fill: String?
  var `repeat`: Int?
  /// How many bytes are read at once, and at most.
  var slow: Int?
  var limit: Int?
  /// From which address.
  var from: String?

  /// A chat completion of one message.
  static func chat(
    _ route: String, _ model: String, stream: Bool = false, fields: [[String]]? = nil, limit: Int? = nil, maxTokens: Int? = nil
  ) -> ModelAsk {
    let more = (stream ? #", "stream": true"# : "") + (maxTokens.map { #", "max_completion_tokens": \#($0)"# } ?? "")
    return ModelAsk(
      path: "/\(route)/v1/chat/completions",
      body: #"{"model": "\#(model)", "messages": [{"role": "user", "content": "hello"}]\#(more)}"#, fields: fields, limit: limit)
  }
}

/// What came back.
struct ModelAnswer: Sendable {
  var status: Int
  var body: String
  var fields: JSON
  /// `whole`, `closed`, `reset`, `left`, or why it could not be asked.
  var how: String
  /// The gateway's reason; nil when the answer is the upstream's.
  var reason: String?

  init(_ json: JSON) {
    status = Int(json["status"].number ?? 0)
    body = json["body"].string ?? ""
    fields = json["fields"]
    how = json["how"].string ?? ""
    reason = (try? JSON(parsing: body))?["error"]["code"].string
  }

  /// What a stream of chat completions says, word by word.
  var words: [String] {
    body.components(separatedBy: "\n").filter { $0.hasPrefix("data: {") }.compactMap {
      (try? JSON(parsing: String($0.dropFirst(6))))?["choices"][0]["delta"]["content"].string
    }.filter { !$0.isEmpty }
  }

  /// The error in the last event of a stream.
  var lastError: String? {
    body.components(separatedBy: "\n").last { $0.hasPrefix("data: {") }.flatMap {
      (try? JSON(parsing: String($0.dropFirst(6))))?["error"]["code"].string
    }
  }
}

/// Ends the shared installation with the test process, which has no other place for it.
private enum ModelsTearDown {
  private static let left = Mutex<(home: String, folders: [String])?>(nil)

  static func register(_ home: String, _ folders: String...) {
    left.withLock { $0 = (home, folders) }
    atexit {
      guard let (home, folders) = ModelsTearDown.left.withLock({ $0 }) else { return }
      let process = Process()
      process.executableURL = URL(filePath: Checkout.pcli)
      process.arguments = ["--home", home, "down"]
      try? process.run()
      process.waitUntilExit()
      for folder in [home] + folders { try? FileManager.default.removeItem(atPath: folder) }
    }
  }
}
