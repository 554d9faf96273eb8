package import PalanaAPI
package import PalanaCore

/// The environment that every agent finds, as `docs` promise it: proxy, CA, identity, placeholders.
package struct AgentEnvironment: Sendable {
  /// The agent's home, its only lasting storage.
  package static let home = "/data"
  /// Stands where the proxy token comes; filled in when a plan leaves for the engine, so that no plan holds the token.
  package static let proxyTokenMark = "{{palana.proxyToken}}"

  /// Where the gateway is. aiohttp asks for the proxy of a websocket by the websocket's own scheme.
  static let proxyVariables = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY"]
  /// Where the roots are: OpenSSL's own name, and those of programs that bring roots of their own instead of the system's.
  static let bundleVariables = [
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "PIP_CERT",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "CARGO_HTTP_CAINFO", "DENO_CERT", "HTTPLIB2_CA_CERTS",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
  ]

  /// Settings for git that an agent may replace with its own. Over HTTP/2, libcurl 7.88 (Debian 12) sends a part of an upload twice when
  /// the socket is full for a moment, whatever the server is: large pushes arrive broken.
  static let gitVariables = ["GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.version", "GIT_CONFIG_VALUE_0": "HTTP/1.1"]

  package var agent: ResourceName
  package var owner: UserIdentity
  package var platform: PlatformFacts

  package init(agent: ResourceName, owner: UserIdentity, platform: PlatformFacts) {
    self.agent = agent
    self.owner = owner
    self.platform = platform
  }

  /// What the platform sets. Nothing that an agent or a secret's name says may replace it: a secret called
  /// `HTTPS_PROXY` would otherwise be a way around the gateway's own variables.
  package var fixed: [String: String] {
    ["HOME": Self.home, "PALANA_AGENT": agent.text, "PALANA_OWNER": owner.raw]
      .merging(Self.ways(user: agent.text, platform)) { own, _ in own }
  }

  /// The ways out, whoever the agent is: the proxy, the roots of trust, the LLM gateway.
  ///
  /// - Parameter user: the user name at the gateway; the password beside it says who the agent is.
  package static func ways(user: String, _ platform: PlatformFacts) -> [String: String] {
    let proxy = "http://\(user):\(proxyTokenMark)@\(platform.gateway.text):\(platform.proxyPort)"
    // The LLM gateway is reached directly: it knows agents by their address.
    let direct = "localhost,127.0.0.1,::1" + (platform.llm.map { ",\($0.host)" } ?? "")
    // Node reads the proxy variables only when told to.
    var all = [
      "NODE_EXTRA_CA_CERTS": platform.caCertificate, "NODE_USE_ENV_PROXY": "1", "NO_PROXY": direct, "no_proxy": direct,
    ]
    for name in bundleVariables { all[name] = platform.caBundle }
    for name in proxyVariables {
      all[name] = proxy
      all[name.lowercased()] = proxy
    }
    if let llm = platform.llm { all["PALANA_LLM_BASE_URL"] = llm.baseURL }
    return all
  }

  /// The written variables, over them the placeholders of proxy-only secrets, over them what the platform sets.
  package func variables(written: [String: String], bindings: [SecretBinding]) -> [String: String] {
    var all = written["GIT_CONFIG_COUNT"] == nil ? Self.gitVariables.merging(written) { _, own in own } : written
    for binding in bindings where binding.spec.access == .proxyOnly {
      for key in binding.spec.keys {
        if let variable = key.variable, let placeholder = key.placeholder { all[variable] = placeholder }
      }
    }
    return all.merging(fixed) { _, platform in platform }
  }
}
