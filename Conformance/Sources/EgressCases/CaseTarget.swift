/// Which gateway is attacked, and with what. Read from JSON.
public struct CaseTarget: Codable, Sendable {
  public struct Endpoint: Codable, Sendable {
    public var address: String
    public var port: Int

    public init(address: String, port: Int) {
      self.address = address
      self.port = port
    }
  }

  /// An agent as which the suite speaks.
  public struct Agent: Codable, Sendable {
    public var name: String
    /// The second factor; sent as the password of Basic proxy authentication, with the name as the user.
    public var token: String
    /// The file of its network namespace, from which its connections are made; nil: from the suite's own.
    public var namespace: String?
    /// The address that its connections come from.
    public var source: String?

    public init(name: String, token: String, namespace: String?, source: String?) {
      self.name = name
      self.token = token
      self.namespace = namespace
      self.source = source
    }
  }

  /// The suite's own upstream: the gateway resolves ``Names/allowed``, ``Names/other`` and ``Names/denied`` to it.
  public struct Upstream: Codable, Sendable {
    public var address: String
    /// Certificates, made by `egress-cases prepare`.
    public var folder: String
    /// Another address of the machine, which nobody may reach. If it is there, the gateway asks the suite's name server, at
    /// ``address`` and ``UpstreamPort/names``, and A may reach `*.dns.test`.
    public var inside: String?

    public init(address: String, folder: String, inside: String? = nil) {
      self.inside = inside
      self.address = address
      self.folder = folder
    }
  }

  public struct Names: Codable, Sendable {
    /// Allowed for A, with the secret bound to it.
    public var allowed = "allowed.test"
    /// Allowed for A and B, without a secret.
    public var other = "other.test"
    /// Allowed for nobody.
    public var denied = "evil.test"
    /// Allowed for A, and leading to addresses that nobody may reach.
    public var special: [String] = []

    public init() {}
  }

  /// The secret of A that is bound to the header `Authorization` and to Basic at ``Names/allowed``.
  public struct Secret: Codable, Sendable {
    public var placeholder: String
    public var value: String
    /// The placeholder of a secret of B.
    public var foreign: String
    /// The value after ``Actions/rotate``.
    public var next: String?

    public init(placeholder: String, value: String, foreign: String, next: String? = nil) {
      self.placeholder = placeholder
      self.next = next
      self.value = value
      self.foreign = foreign
    }
  }

  /// The secret of A that is bound to bodies and websocket frames at ``Names/other``.
  public struct Contents: Codable, Sendable {
    public var placeholder: String
    public var value: String

    public init(placeholder: String, value: String) {
      self.placeholder = placeholder
      self.value = value
    }
  }

  /// What a data plane says that it does. What it does not say is not applicable, or has to be refused.
  public enum Feature: String, Codable, CaseIterable, Sendable {
    /// Every refusal is JSON with a reason of the closed list, also for what cannot be parsed.
    case reasons
    /// What could be read in two ways is refused. A gateway without this may take it in one reading, and send on that reading alone.
    case strict
    case http2
    /// Credentials that an upstream sends back are masked.
    case scrubbing
    /// A real value in a request is refused.
    case leakGuard
    /// Cleartext HTTP through the proxy.
    case plainHTTP
    /// Websockets pass.
    case websocket
    /// Secrets are put into bodies and websocket frames. Without it a request that needs that is refused.
    case contents
  }

  /// Commands that change the platform, each a program with its arguments.
  public struct Actions: Codable, Sendable {
    /// Cuts agent B off, and lets it back.
    public var kill: [String] = []
    public var unkill: [String] = []
    /// Takes ``Names/other`` from B, and gives it back.
    public var deny: [String] = []
    public var permit: [String] = []
    /// Gives the secret its next value, and its old one back.
    public var rotate: [String] = []
    public var rotateBack: [String] = []
    /// Restarts the gateway; the agents stay.
    public var restart: [String] = []
    /// Creates an agent whose name stands as `NAME` among the arguments.
    public var create: [String] = []

    public init() {}

    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      func command(_ key: CodingKeys) throws -> [String] { try container.decodeIfPresent([String].self, forKey: key) ?? [] }
      kill = try command(.kill)
      unkill = try command(.unkill)
      deny = try command(.deny)
      permit = try command(.permit)
      rotate = try command(.rotate)
      rotateBack = try command(.rotateBack)
      restart = try command(.restart)
      create = try command(.create)
    }
  }

  /// A word for the table, such as `swift` or `envoy`.
  public var plane: String
  public var proxy: Endpoint
  /// PEM of the authority that agents trust.
  public var authority: String
  public var a: Agent
  public var b: Agent?
  public var upstream: Upstream?
  public var names = Names()
  public var secret: Secret?
  public var contents: Contents?
  /// A program that prints the audit events of A and B, one JSON object a line.
  public var audit: [String] = []
  public var actions = Actions()
  public var features: Set<Feature> = []
  /// Runs a command inside of A; its arguments follow.
  public var exec: [String] = []
  /// The processes of the platform.
  public var processes: [Int] = []
  /// How many connections an agent may have open.
  public var connectionLimit: Int?

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    plane = try container.decode(String.self, forKey: .plane)
    proxy = try container.decode(Endpoint.self, forKey: .proxy)
    authority = try container.decode(String.self, forKey: .authority)
    a = try container.decode(Agent.self, forKey: .a)
    b = try container.decodeIfPresent(Agent.self, forKey: .b)
    upstream = try container.decodeIfPresent(Upstream.self, forKey: .upstream)
    names = try container.decodeIfPresent(Names.self, forKey: .names) ?? Names()
    secret = try container.decodeIfPresent(Secret.self, forKey: .secret)
    contents = try container.decodeIfPresent(Contents.self, forKey: .contents)
    audit = try container.decodeIfPresent([String].self, forKey: .audit) ?? []
    actions = try container.decodeIfPresent(Actions.self, forKey: .actions) ?? Actions()
    features = try container.decodeIfPresent(Set<Feature>.self, forKey: .features) ?? []
    exec = try container.decodeIfPresent([String].self, forKey: .exec) ?? []
    processes = try container.decodeIfPresent([Int].self, forKey: .processes) ?? []
    connectionLimit = try container.decodeIfPresent(Int.self, forKey: .connectionLimit)
  }

  public init(plane: String, proxy: Endpoint, authority: String, a: Agent) {
    self.plane = plane
    self.proxy = proxy
    self.authority = authority
    self.a = a
  }
}

/// The ports of the suite's upstream, on its own address.
public enum UpstreamPort {
  public static let https = 18443
  public static let http = 18080
  /// Certificates that nobody should trust.
  public static let expired = 18444
  public static let selfSigned = 18445
  public static let otherName = 18446
  public static let stranger = 18447
  /// The suite's name server (UDP).
  public static let names = 18053

  public static let all = [https, http, expired, selfSigned, otherName, stranger]
}
