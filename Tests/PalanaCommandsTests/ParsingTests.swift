import ArgumentParser
import PalanaCore
import Testing

@testable import PalanaCommands

/// The command lines of the contract, word for word, with what they must be.
@Suite("pcli: command lines of the contract")
struct ParsingTests {
  static let lines: [(String, any PalanaCommand.Type)] = [
    ("up", UpCommand.self),
    ("up --home /srv/p --listen 127.0.0.1:7180 --config c.yaml", UpCommand.self),
    ("down", DownCommand.self), ("down --keep-agents", DownCommand.self),
    ("status", StatusCommand.self), ("doctor", DoctorCommand.self),
    ("login", LoginCommand.self), ("login --server https://p.example", LoginCommand.self),
    ("logout", LogoutCommand.self), ("whoami", WhoAmICommand.self),
    ("create demo", AgentCreate.self),
    (
      "create demo --template python --image host --cpu 2 --memory 2Gi --storage 5Gi --pids 256 --idle-after 8h",
      AgentCreate.self
    ),
    ("apply -f agent.yaml", ResourceApply.self), ("apply -f -", ResourceApply.self),
    ("get agents", ResourceGet.self), ("get agent demo", ResourceGet.self), ("get agent/demo", ResourceGet.self),
    ("describe demo", ResourceDescribe.self), ("describe template python", ResourceDescribe.self),
    ("delete demo", ResourceDelete.self), ("delete demo --purge", ResourceDelete.self),
    ("list", AgentList.self), ("ls", AgentList.self),
    ("run demo", AgentRun.self), ("run demo --template claudecodeui", AgentRun.self),
    ("run demo --image oci-archive:/x.tar --env A=1 --env B=2 --wait -- sh -c 'exit_3'", AgentRun.self),
    ("stop demo", AgentStop.self), ("resume demo", AgentResume.self), ("restart demo", AgentRestart.self),
    ("logs demo", AgentLogs.self), ("logs demo -f --since 10m --previous", AgentLogs.self),
    ("exec demo -- ls -la /data", AgentExec.self), ("exec -it demo -- sh", AgentExec.self),
    ("shell demo", AgentShell.self), ("cp a demo:/data/", AgentCopy.self), ("open demo", AgentOpen.self),
    ("secrets add demo GRABGPT_API_KEY token=abc", SecretAdd.self),
    (
      "secrets add demo N a=1 b=@f c=- --proxy-only --host h:8443 --host i --in header:x --in basic --placeholder P",
      SecretAdd.self
    ),
    ("secrets add demo N a=1 --agent-readable", SecretAdd.self),
    ("secrets list demo", SecretListing.self), ("secrets rotate demo N token=x", SecretRotate.self),
    ("secrets bind demo N --host api.example.com", SecretBind.self), ("secrets rm demo N", SecretRemove.self),
    ("egress allow demo api.github.com:443 --method GET --method HEAD --path /repos/**", EgressAllow.self),
    ("egress allow demo github.com --git apple/* --push --ref refs/heads/a --ref refs/heads/b", EgressAllow.self),
    ("egress test demo POST https://a.example/a/git-receive-pack --ref refs/heads/a", EgressTest.self),
    ("egress deny demo evil.example", EgressDeny.self), ("egress list demo", EgressRuleListing.self),
    ("egress rm demo r1", EgressRemove.self), ("egress test demo GET https://a.example/x?y=1", EgressTest.self),
    ("peer allow a b --port 8080", PeerAllow.self), ("peer list", PeerListing.self), ("peer rm a b", PeerRemove.self),
    ("kill demo --reason leak", KillCommand.self), ("kill --owner a@b.example --reason leak", KillCommand.self),
    ("kill --template python --reason leak", KillCommand.self), ("kill --all --reason leak", KillCommand.self),
    ("unkill demo", UnkillCommand.self), ("unkill --all --reason over", UnkillCommand.self),
    ("audit", AuditShow.self),
    (
      "audit --agent A --owner U@x --host H --component egress --decision deny --since 1h --limit 10 -f --severity critical",
      AuditShow.self
    ),
    ("audit verify", AuditVerify.self), ("audit verify --file x.ndjson", AuditVerify.self),
    ("templates list", TemplateListing.self), ("templates show python", TemplateShow.self),
    ("completion bash", CompletionCommand.self),
  ]

  @Test("parses", arguments: lines.indices)
  func parses(_ index: Int) async throws {
    let (line, type) = Self.lines[index]
    let command = try await PCLI.asyncParseAsRoot(line.split(separator: " ").map(String.init))
    #expect(Swift.type(of: command) == type, "\(line)")
  }

  @Test(
    "global options stand anywhere before ‘--’",
    arguments: [
      "-o json --user a@b --home /h -q --no-color secrets list demo",
      "secrets -o json --user a@b --home /h -q --no-color list demo",
      "secrets list -o json --user a@b --home /h -q --no-color demo",
      "secrets list demo -ojson --user=a@b --home=/h --quiet --no-color",
      "--user a@b secrets -q list --no-color demo --home /h --output json",
    ])
  func globalOptions(_ line: String) async throws {
    let parsed = try await PCLI.asyncParseAsRoot(line.split(separator: " ").map(String.init))
    let command = try #require(parsed as? SecretListing)
    #expect(command.agent == "demo")
    #expect(command.global.output == .json)
    #expect(command.global.user == "a@b")
    #expect(command.global.home == "/h")
    #expect(command.global.quiet && command.global.noColor)
  }

  @Test("what stands behind ‘--’ belongs to the command that is run")
  func passthrough() async throws {
    let line = ["-q", "exec", "demo", "--", "tool", "-o", "json", "--home", "/x", "--", "-f"]
    let parsed = try await PCLI.asyncParseAsRoot(line)
    let command = try #require(parsed as? AgentExec)
    #expect(command.command == ["tool", "-o", "json", "--home", "/x", "--", "-f"])
    #expect(command.global.output == .table)
    #expect(command.global.home == nil)
  }

  @Test("repeated options and values keep their order")
  func repeated() async throws {
    let parsed = try await PCLI.asyncParseAsRoot(
      "secrets add demo N a=1 b=2 --host x --host y:1 --in basic --in query:k".split(separator: " ").map(String.init))
    let command = try #require(parsed as? SecretAdd)
    #expect(command.values == ["a=1", "b=2"])
    #expect(command.binding.hosts == ["x", "y:1"])
    #expect(command.binding.places == ["basic", "query:k"])
  }

  static let wrong: [String] = [
    "lost", "secrets", "kill", "kill demo", "kill --reason x", "kill demo --all --reason x",
    "kill --owner a@b --template t --reason x", "kill demo --reason", "unkill", "exec demo", "exec demo ls", "create",
    "list extra", "list -o xml", "apply", "get", "secrets add demo N",
    "secrets add demo N plain=1 --proxy-only --agent-readable",
    "secrets add demo N a=1 --agent-readable --host h", "secrets add demo N a=1 --in cookie",
    "secrets add demo N a=- b=-",
    "egress allow demo a.example --push", "egress allow demo a.example --git a/b --ref refs/heads/a",
    "egress allow demo a.example --git a/b --method GET", "egress deny demo a.example --git a/b --path /x",
    "secrets bind demo N", "peer allow a b", "peer allow a b --port 0", "peer allow a a --port 1",
    "run demo --wait --detach",
    "audit --component nothing", "audit --limit 0", "audit --limit 5 --all", "audit verify --partial", "completion tcsh", "up --unknown",
  ]

  @Test("wrong usage ends with 2 and says so", arguments: wrong.filter { $0 != "secrets" })
  func wrongUsage(_ line: String) async throws {
    let result = try await CommandRunner.run(line.split(separator: " ").map(String.init))
    #expect(result.code == 2, "\(line): \(result.error)")
    #expect(result.error.hasPrefix("Error: "))
    #expect(result.output.isEmpty)
  }

  @Test("a group without a command shows its help")
  func groups() async throws {
    for group in ["secrets", "egress", "peer", "templates"] {
      let result = try await CommandRunner.run([group])
      #expect(result.code == 0)
      #expect(result.output.contains("SUBCOMMANDS"))
    }
  }

  @Test("help, version and completion scripts")
  func help() async throws {
    #expect(try await CommandRunner.run(["--version"]).output == PalanaVersion.current + "\n")
    let help = try await CommandRunner.run(["--help"])
    #expect(help.code == 0 && help.output.contains("USAGE: pcli"))
    let nested = try await CommandRunner.run(["help", "secrets", "add"])
    #expect(nested.code == 0 && nested.output.contains("KEY=@FILE"))
    for shell in ["bash", "zsh", "fish"] {
      let script = try await CommandRunner.run(["completion", shell])
      let flag = try await CommandRunner.run(["--generate-completion-script", shell])
      #expect(script.code == 0 && flag.code == 0)
      #expect(script.output == flag.output)
      #expect(script.output.contains("templates"))
    }
  }

  @Test("a misspelt command is answered with the one that is meant")
  func misspelt() async throws {
    let result = try await CommandRunner.run(["secrets", "lst"])
    #expect(result.error == "Error: there is no command ‘pcli secrets lst’\n  did you mean ‘pcli secrets list’?\n")
    let json = try await CommandRunner.run(["-o", "json", "lost"])
    #expect(json.code == 2)
    #expect(json.error.hasPrefix(#"{"error":{"code":"invalid","hint":"did you mean ‘pcli list’?""#))
  }
}
