import ArgumentParser
import PalanaControlAPI
import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `pcli up`
struct UpCommand: PalanaCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Start the platform on this machine.",
    discussion: """
      Starts ‘palanad local’ in the background and waits until it is ready; its output is in HOME/log/palanad.log. When it runs \
      already, says so and exits 0.
      """)

  @OptionGroup(visibility: .hidden) var global: GlobalOptions
  @Option(help: ArgumentHelp("TCP address of the control API, for example 127.0.0.1:7180.", valueName: "address"))
  var listen: String?
  @Option(help: ArgumentHelp("The configuration.", valueName: "file"), completion: .file()) var config: String?
  @Flag(help: "Stay in the foreground; end with Ctrl-C.") var foreground = false

  /// How long the start may take.
  private static let limit = Duration.seconds(60)

  func execute(in context: CommandContext) async throws -> Int32 {
    if context.global.server != nil {
      throw PalanaError(.invalid, "‘up’ is for this machine", hint: "leave --server out")
    }
    let probe = PlatformProbe(context: context)
    if let status = try await probe.status() {
      try await context.output.done("The platform is up already (\(status.home)).", status)
      for part in status.components where !part.healthy {
        try await context.output.warn("\(part.name): \(part.message)")
      }
      return 0
    }
    guard geteuid() == 0 else {
      throw PalanaError(
        .denied, "starting the platform needs root: it makes sandboxes, networks and firewall rules",
        hint: "sudo pcli up")
    }
    let home = context.home
    let starter = DaemonStarter(
      program: try DaemonLocation.find(context.io.environment), arguments: arguments(home: home),
      log: home + "/log/palanad.log")
    try Self.makeFolders(home)
    if foreground { try starter.replace() }
    let status = try await Progress.run("Starting the platform", context.output) { progress in
      try await Self.start(starter, probe, progress)
    }
    try await context.output.done("The platform is up: \(home), gateway \(status.gateway).", status)
    return 0
  }

  /// The daemon's arguments.
  func arguments(home: String) -> [String] {
    var arguments = ["local", "--home", home]
    if let listen { arguments += ["--listen", listen] }
    if let config { arguments += ["--config", LocalFile.absolute(config)] }
    return arguments
  }

  private static func start(
    _ starter: DaemonStarter, _ probe: PlatformProbe, _ progress: Progress
  ) async throws -> InstallationStatus {
    let logStart = LogTail.size(starter.log)
    let child = try starter.start()
    func failure(_ sentence: String) -> PalanaError {
      let lines = LogTail.lines(starter.log, after: logStart)
      return PalanaError(
        .failed, sentence,
        hint: (["the last lines of \(starter.log):"] + lines.map { "  " + $0 }).joined(separator: "\n"))
    }
    let end = ContinuousClock.now + limit
    var unready: [String] = []
    while ContinuousClock.now < end {
      if let how = DaemonStarter.ended(child) { throw failure("the platform did not start: the daemon ended \(how)") }
      if let status = try await probe.status() {
        unready = status.components.filter { !$0.healthy }.map { "\($0.name): \($0.message)" }
        if unready.isEmpty { return status }
        await progress.say("Starting the platform (\(unready.joined(separator: "; ")))")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw failure(
      unready.isEmpty
        ? "the platform did not answer within \(Age.text(limit))"
        : "the platform runs, but is not ready after \(Age.text(limit)) (\(unready.joined(separator: "; ")))")
  }

  /// Home and its log folder, for root alone, as the daemon makes them.
  private static func makeFolders(_ home: String) throws {
    var partial = ""
    for part in (home + "/log").split(separator: "/") {
      partial += "/" + part
      let isOurs = partial == home || partial == home + "/log"
      guard unsafe mkdir(partial, isOurs ? 0o700 : 0o755) == 0 || errno == EEXIST else {
        throw LocalFile.error(partial, errno)
      }
    }
  }
}
