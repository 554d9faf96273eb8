package import PalanaCore

/// What the renderer must know of the cluster around an agent: where the platform's services stand and what the agents are given.
package struct ClusterFacts: Codable, Hashable, Sendable {
  /// Who may be at the other end of a path.
  package struct Place: Codable, Hashable, Sendable {
    /// Pods of this namespace with these labels; nil: not pods but ``cidrs``.
    package var namespace: String?
    package var labels: [String: String]
    package var cidrs: [String]
    /// TCP ports, those of the pods and not of a service in front of them.
    package var ports: [Int]

    package init(namespace: String? = nil, labels: [String: String] = [:], cidrs: [String] = [], ports: [Int]) {
      self.namespace = namespace
      self.labels = labels
      self.cidrs = cidrs
      self.ports = ports
    }
  }

  /// How people come to the ports of agents that a browser may open.
  package struct Browser: Codable, Hashable, Sendable {
    package enum Route: Codable, Hashable, Sendable {
      /// An `Ingress` of this class. The annotations tell its controller to ask the sign-in about every request.
      case ingress(class: String, annotations: [String: String], tlsSecret: String?)
      /// An `HTTPRoute` below this `Gateway`, in front of which the sign-in stands.
      case gateway(namespace: String, name: String)
    }

    package var route: Route
    /// Hosts are `{agent id}-{port}.{domain}`.
    package var domain: String
    /// Who connects to the agents: the pods of the ingress controller or of the gateway. Their ports have no meaning.
    package var from: Place
    /// Who answers for an agent that rests because it was idle, and wakes it; nil: nobody.
    package var waker: Waker?

    package init(route: Route, domain: String, from: Place, waker: Waker? = nil) {
      self.route = route
      self.domain = domain
      self.from = from
      self.waker = waker
    }
  }

  /// Where requests for resting agents go.
  package struct Waker: Codable, Hashable, Sendable {
    package var address: IPAddress
    package var port: Int

    package init(address: IPAddress, port: Int) {
      self.address = address
      self.port = port
    }
  }

  /// How the files of secrets come into the pods of agents that read them.
  package struct SecretFiles: Codable, Hashable, Sendable {
    /// The platform's own image, whose entry point is `palanad`.
    package var image: String
    /// The store's base URL, as pods reach it.
    package var address: String
    /// Its host, where that is a name.
    package var name: String?
    /// Where its auth method of service accounts is, below `auth/`.
    package var mount: String
    package var audience: String
    /// Of the store's certificate, PEM; nil: those of the image.
    package var authority: String?

    package init(image: String, address: String, name: String? = nil, mount: String, audience: String, authority: String? = nil) {
      self.image = image
      self.address = address
      self.name = name
      self.mount = mount
      self.audience = audience
      self.authority = authority
    }
  }

  package var gateway: Place
  package var llm: Place?
  /// The cluster's name server, on UDP and TCP; nil: agents resolve nothing, and the gateway is known by address.
  package var dns: Place?
  /// The secret store, for agents with secrets that they read themselves.
  package var vault: Place?
  /// Nil: such agents have no files.
  package var secretFiles: SecretFiles?
  /// The names that an agent has to resolve where policies can tell names apart.
  package var names: [String]
  /// The authority that signs what agents see instead of upstream certificates, PEM. Agents trust nothing else.
  package var caCertificate: String
  /// What stands for the image `host`; nil: such agents cannot run here.
  package var hostImage: String?
  /// Nil: the cluster's default class.
  package var storageClass: String?
  package var browser: Browser?
  /// Whether pods get a user namespace of their own (`hostUsers: false`), which not every node can give.
  package var hasUserNamespaces: Bool
  /// Whether the cluster has `CiliumNetworkPolicy`.
  package var hasCilium: Bool
  /// User and group of agents: never 0.
  package var userID: Int

  package init(
    gateway: Place, llm: Place? = nil, dns: Place? = nil, vault: Place? = nil, names: [String] = [], caCertificate: String,
    hostImage: String? = nil, storageClass: String? = nil, browser: Browser? = nil, hasUserNamespaces: Bool = false,
    hasCilium: Bool = false, userID: Int = 1000
  ) {
    self.gateway = gateway
    self.llm = llm
    self.dns = dns
    self.vault = vault
    self.names = names
    self.caCertificate = caCertificate
    self.hostImage = hostImage
    self.storageClass = storageClass
    self.browser = browser
    self.hasUserNamespaces = hasUserNamespaces
    self.hasCilium = hasCilium
    self.userID = userID
  }
}
