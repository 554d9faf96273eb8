package import PalanaCore
package import PalanaLLM
import PalanaSecrets

/// Everything that can be set for one machine. The initial values are the defaults.
///
/// Read by ``ConfigurationLoader`` from a YAML file and from the environment: the key `egress.dns.servers` is also the variable
/// `PALANA_EGRESS_DNS_SERVERS`, which wins.
package struct LocalConfiguration: Hashable, Sendable {
  /// `host:port` of a TCP listener.
  package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    package var address: IPAddress
    package var port: Int

    package init(address: IPAddress, port: Int) {
      self.address = address
      self.port = port
    }

    /// - Throws: ``PalanaError`` with code `invalid` for what is not `ADDRESS:PORT`.
    package init(parsing text: String) throws(PalanaError) {
      guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port) else {
        throw PalanaError(.invalid, "‘\(text.prefix(60))’ is not ADDRESS:PORT")
      }
      var host = text[..<colon]
      if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
      guard let address = host == "localhost" ? .v4(0x7f00_0001) : IPAddress(host) else {
        throw PalanaError(.invalid, "‘\(host.prefix(60))’ is not an IP address")
      }
      self.init(address: address, port: port)
    }

    package var description: String {
      if case .v6 = address { return "[\(address)]:\(port)" }
      return "\(address):\(port)"
    }
  }

  package struct Control: Hashable, Sendable {
    /// Nil: the Unix socket only.
    package var listen: Endpoint? = Endpoint(address: .v4(0x7f00_0001), port: 7180)
    /// Empty: `HOME/control/token`, made at the first start.
    package var tokenFile = ""
    /// A group of this machine whose members may use the Unix socket. Empty: root only.
    package var group = ""
  }

  package struct Limits: Hashable, Sendable {
    package var headerBytes = 65_536
    package var bodyRewriteBytes = 1_048_576
    package var connectionsPerAgent = 1024
    /// Zero: no limit; so for the following.
    package var newConnectionsPerSecond = 200
    package var requestsInFlight = 1024
    package var bytesPerSecond = 0
    package var requestBodyBytes = 0
    package var refusalsPerSecond = 100
    /// Of one connection.
    package var http2 = HTTP2()

    package struct HTTP2: Hashable, Sendable {
      package var streams = 128
      package var streamWindow = 131_072
      package var connectionWindow = 1_048_576
    }
  }

  /// What carries the requests of agents.
  package enum DataPlane: String, Hashable, Sendable, CaseIterable { case builtin, envoy }

  package struct Envoy: Hashable, Sendable {
    /// Whether secrets may travel although Envoy does not look for them in the responses.
    package var unscrubbed = false
  }

  package struct Transparent: Hashable, Sendable {
    /// Whether agents that ignore the proxy variables are redirected to the gateway, and have a resolver.
    package var isEnabled = true
    /// TCP port at the gateway's address where they arrive.
    package var port = 3129
    /// IPv4 addresses that stand for names; nil: 198.18.0.0/15.
    package var range: CIDR?
  }

  package struct Egress: Hashable, Sendable {
    /// Nil: the first address of the subnet, port 3128.
    package var listen: Endpoint?
    package var dnsServers: [Endpoint] = []
    /// Names that are answered before DNS is asked.
    package var dnsHosts: [String: IPAddress] = [:]
    /// PEM files that upstream certificates may chain to, besides the system's.
    package var upstreamCA: [String] = []
    /// Ranges of special-purpose addresses that policy may reach.
    package var allowAddresses: [CIDR] = []
    package var limits = Limits()
    package var transparent = Transparent()
    /// Event loops of the gateway; nil: one for each processor.
    package var threads: Int?
    package var dataPlane = DataPlane.builtin
    /// Whether connections beyond the agents' subnet are redirected: Envoy has no part that takes them.
    package var isTransparent: Bool { transparent.isEnabled && dataPlane == .builtin }
    package var envoy = Envoy()
  }

  package struct Secrets: Hashable, Sendable {
    /// Of a pod, which logs in with its service account.
    package struct Kubernetes: Hashable, Sendable {
      /// Empty: no such login.
      package var role = ""
      package var mount = KubernetesLogin.usualMount
      package var tokenFile = KubernetesLogin.usualTokenFile
    }

    /// Empty: the daemon runs its own OpenBao.
    package var address = ""
    package var tokenFile = ""
    package var kubernetes = Kubernetes()
    /// PEM file of the authorities that the server's certificate may chain to; empty: those of the machine.
    package var caFile = ""
  }

  package struct OPA: Hashable, Sendable {
    /// Rego files, folders of them, or bundles (`.tar.gz`).
    package var bundles: [String] = []
    /// Base URL of an OPA server. Empty: the engine in process.
    package var server = ""
  }

  /// Of `palanad gateway` alone.
  package struct Gateway: Hashable, Sendable {
    /// Folder with the manifests of agents and rules.
    package var agents = ""
    /// How long the last good manifests may be used when the folder cannot be read.
    package var patience = Duration.seconds(30)
    /// Where `/livez` and `/readyz` are answered; nil: nowhere.
    package var probes: Endpoint?
    package var cluster = Cluster()

    /// A Kubernetes cluster whose agents are served instead of those of a folder.
    package struct Cluster: Hashable, Sendable {
      package var isEnabled = false
      /// Where the lease of this gateway is. Empty: the pod's own, or that of the context.
      package var namespace = ""
      /// The name of this gateway. Empty: the name of the host, which is the pod's.
      package var podName = ""
      /// Empty: the pod's service account, else `KUBECONFIG` or `~/.kube/config`.
      package var kubeconfig = ""
      package var context = ""
      /// How long what is known of the cluster may be used when the API server does not answer.
      package var patience = Duration.seconds(60)
    }
  }

  /// Of the LLM gateway. Without routes there is none.
  package struct LLM: Hashable, Sendable {
    /// Nil: the first address of the subnet, port 4000.
    package var listen: Endpoint?
    package var routes: [String: LLMRouteFile] = [:]
    /// The one whose URL agents find in `PALANA_LLM_BASE_URL`. Empty: `unified` if there is one, else the first by name.
    package var defaultRoute = ""
    /// What is taken out of prompts: expressions by their names.
    package var redact: [String: String] = [:]
    /// Bounds of what routes with `contentLog` keep.
    package var contentLog = ContentSettings()
    /// A file with prices of models, before those that are built in. Empty: none.
    package var prices = ""
  }

  /// Of agents that do nothing.
  package struct Idle: Hashable, Sendable {
    /// How long before its end an agent is warned; at most half of its `idleAfter`.
    package var warnBefore = Duration.seconds(900)
  }

  package var home = "/var/lib/palana"
  package var control = Control()
  package var egress = Egress()
  package var gateway = Gateway()
  package var secrets = Secrets()
  package var opa = OPA()
  package var idle = Idle()
  package var llm = LLM()
  package var auditRetention: Duration = .seconds(90 * 86_400)
  /// Whether every event is a line of the standard output too; of `palanad gateway` alone.
  package var auditStdout = false
  /// Where the trail is collected, of `palanad gateway` alone; without a URL: nowhere.
  package var auditCollector = CollectorSettings()
  package var subnet: String = "10.77.0.0/16"
  /// Short name of this installation, the first part of its interfaces, tables and cgroups: `[a-z][a-z0-9]{0,5}`.
  package var networkPrefix = "palana"
  /// Keys that are known but speak of a part that this version does not have yet; shown as warnings.
  package var warnings: [String] = []

  package init() {}
}
