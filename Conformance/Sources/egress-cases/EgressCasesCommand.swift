import ArgumentParser
import EgressCases
import Foundation

@main
struct EgressCasesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "egress-cases", abstract: "Attacks a running egress gateway and shows its posture.",
    subcommands: [Prepare.self, Run.self, SelfTest.self, List.self])

  struct Prepare: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make the certificates of the suite's upstream.")
    @Argument(help: "The folder for them.") var folder: String
    @Argument(help: "The names that the upstream has.") var names: [String]

    func run() throws {
      try UpstreamCertificates.make(in: folder, names: names)
      print(UpstreamCertificates.authority(in: folder))
    }
  }

  struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the cases.")
    @Option(help: "The description of the gateway, a JSON file; - is standard input.") var target: String
    @Flag(help: "Print the whole result as JSON.") var json = false
    @Flag(help: "Only what may be done to an agent in use.") var safe = false
    @Option(help: "Only cases whose FAMILY/NAME holds this.") var only: String?
    @Option(help: "As many cases at once.") var width = 8

    func run() async throws {
      let bytes = target == "-" ? FileHandle.standardInput.readDataToEndOfFile() : try Data(contentsOf: URL(filePath: target))
      let target = try JSONDecoder().decode(CaseTarget.self, from: bytes)
      let cases = EgressCase.all.filter { one in
        (!safe || one.isSafe) && (only.map { "\(one.family.rawValue)/\(one.name)".contains($0) } ?? true)
      }
      let upstream: CaseUpstream? = if let upstream = target.upstream { try await CaseUpstream(upstream) } else { nil }
      let serving = Task { await upstream?.run() }
      var runner = try CaseRunner(target, upstream: upstream)
      runner.width = width
      let posture = await runner(cases)
      serving.cancel()
      print(json ? posture.json : posture.table)
      if !posture.isWhole { throw ExitCode(1) }
    }
  }

  struct SelfTest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "self-test", abstract: "Show that the cases fail against a proxy that promises nothing.")

    func run() async throws {
      let posture = try await ToyProxy.posture()
      print(posture.table.split(separator: "\n").prefix { !$0.hasPrefix("broken:") }.joined(separator: "\n"))
      let blind = posture.blind
      guard blind.isEmpty else {
        print("no case of these families fails against a broken proxy: \(blind.map(\.rawValue).joined(separator: ", "))")
        throw ExitCode(1)
      }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Name the cases.")
    func run() {
      for one in EgressCase.all { print("\(one.family.rawValue)/\(one.name)\(one.isSafe ? " (safe)" : ""): \(one.claim)") }
    }
  }
}
