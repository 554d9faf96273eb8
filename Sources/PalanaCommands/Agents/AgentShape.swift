import ArgumentParser
import PalanaAPI
import PalanaCore

/// The options that shape an agent, shared by `create` and `run`.
struct AgentShape: ParsableArguments {
  @Option(help: ArgumentHelp("Start from this template.", valueName: "name")) var template: String?
  @Option(
    help: ArgumentHelp(
      "host, oci-archive:FILE, oci:FOLDER, or the reference of an image in a registry.", valueName: "ref"))
  var image: String?
  @Option(help: ArgumentHelp("Processors, for example 2, 0.5 or 500m.", valueName: "n")) var cpu: String?
  @Option(help: ArgumentHelp("Memory, for example 2Gi.", valueName: "bytes")) var memory: String?
  @Option(help: ArgumentHelp("Space for /data, for example 5Gi.", valueName: "bytes")) var storage: String?
  @Option(help: ArgumentHelp("Most processes and threads at once.", valueName: "n")) var pids: Int?
  @Option(
    help: ArgumentHelp(
      "Stop it after so long without activity, for example 8h. Kept, but not acted on in this version.", valueName: "time"))
  var idleAfter: String?
  @Option(
    name: .customLong("env"), parsing: .singleValue,
    help: ArgumentHelp("A variable for the agent; without =VALUE it is taken from here. Repeatable.", valueName: "K=V"))
  var environment: [String] = []
  @Option(help: ArgumentHelp("When it ends by itself: Never, OnFailure or Always.", valueName: "policy"))
  var restart: RestartPolicy?

  /// The limits, or nil when none is given.
  /// - Throws: ``PalanaError`` with code `invalid`.
  func resources() throws -> AgentResources? {
    if let pids, pids < 1 { throw PalanaError(.invalid, "--pids is at least 1") }
    let result = AgentResources(
      cpu: try cpu.map { try CPUQuantity($0) }, memory: try memory.map { try ByteQuantity($0) }, pids: pids,
      storage: try storage.map { try ByteQuantity($0) })
    return result == AgentResources() ? nil : result
  }

  /// The time of `--idle-after`.
  /// - Throws: ``PalanaError`` with code `invalid`.
  func idle() throws -> TimeSpan? { try idleAfter.map { try TimeSpan($0) } }

  /// The variables, or nil when none is given.
  /// - Throws: ``PalanaError`` with code `invalid`.
  func variables(_ surroundings: [String: String]) throws -> [String: String]? {
    try Variables.parse(environment, surroundings: surroundings)
  }
}

/// Variables on the command line.
enum Variables {
  /// Reads `NAME=VALUE`; `NAME` alone takes the value from `surroundings`. Nil when `texts` is empty.
  /// - Throws: ``PalanaError`` with code `invalid`.
  static func parse(_ texts: [String], surroundings: [String: String]) throws -> [String: String]? {
    guard !texts.isEmpty else { return nil }
    var result: [String: String] = [:]
    for text in texts {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let name = parts[0]
      guard !name.isEmpty, !name.utf8.contains(0) else {
        throw PalanaError(.invalid, "‘--env \(text.prefix(40))’ has no name", hint: "write --env NAME=VALUE")
      }
      guard result[name] == nil else { throw PalanaError(.invalid, "--env \(name) is given twice") }
      if parts.count == 2 {
        result[name] = parts[1]
      } else if let value = surroundings[name] {
        result[name] = value
      } else {
        throw PalanaError(
          .invalid, "--env \(name) has no value, and there is no such variable here", hint: "write --env \(name)=VALUE")
      }
    }
    return result
  }
}

/// The restart policy on the command line, in any case and with or without a dash.
enum RestartPolicy: String, ExpressibleByArgument, CaseIterable, Sendable {
  case never = "Never"
  case onFailure = "OnFailure"
  case always = "Always"

  init?(argument: String) {
    let wanted = argument.lowercased().replacing("-", with: "")
    guard let policy = Self.allCases.first(where: { $0.rawValue.lowercased() == wanted }) else { return nil }
    self = policy
  }

  /// As it stands in a spec.
  var value: AgentLifecycle.Restart {
    switch self {
    case .never: .never
    case .onFailure: .onFailure
    case .always: .always
    }
  }
}
