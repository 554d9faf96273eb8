import PalanaCore
import PalanaEgress

/// What Envoy reads at its start: everything but the agents, which come through discovery. Holds no secret.
///
/// An agent's connection comes in at the listener of ``AgentListener`` and goes through two listeners inside of Envoy: the proxy,
/// which speaks to programs that use a proxy, and behind CONNECT the inner one, which ends their TLS.
struct BootstrapDocument {
  let configuration: EnvoyConfiguration

  private var limits: EgressLimits { configuration.egress.limits }

  /// The document as JSON.
  var json: JSONValue {
    [
      "node": ["id": "palana", "cluster": "palana"],
      "bootstrap_extensions": [
        .extension("envoy.bootstrap.internal_listener", "envoy.extensions.bootstrap.internal_listener.v3.InternalListener")
      ],
      "layered_runtime": ["layers": [["name": "palana", "static_layer": Self.runtime]]],
      "dynamic_resources": [
        "ads_config": ["api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": [Self.control]],
        "lds_config": Self.discovery,
      ],
      "static_resources": [
        "listeners": [proxyListener, innerListener],
        "clusters": .array(UpstreamClusters(configuration: configuration).all),
      ],
    ]
  }

  private static let runtime: JSONValue = [
    // An inner listener that answers and closes would else reset the agent's connection, and the answer would be lost with it.
    "envoy.reloadable_features.enable_send_rst_on_user_space_socket": false,
    // Chunks that parsers read in two ways are refused.
    "envoy.reloadable_features.strict_chunk_parsing": true,
  ]

  static var control: JSONValue { ["envoy_grpc": ["cluster_name": .string(EnvoyNames.controlCluster)]] }
  static var discovery: JSONValue { ["ads": [:], "resource_api_version": "V3", "initial_fetch_timeout": "10s"] }

  // MARK: Listeners

  private var proxyListener: JSONValue {
    [
      "name": .string(EnvoyNames.proxyListener), "internal_listener": [:],
      // The address of the agent, which the outer listener hands on, becomes that of the connection.
      "listener_filters": [
        .extension("envoy.filters.listener.original_dst", "envoy.extensions.filters.listener.original_dst.v3.OriginalDst")
      ],
      "filter_chains": [
        [
          "filters": [
            HTTPManager(configuration: configuration, name: EnvoyNames.proxyListener).json(
              filters: [Self.authorization(tunnel: false), Self.nameTunnel, HTTPManager.router],
              routes: [
                [
                  "match": ["connect_matcher": [:]],
                  "route": [
                    "cluster": .string(EnvoyNames.innerCluster), "timeout": "0s",
                    "upgrade_configs": [["upgrade_type": "CONNECT", "connect_config": [:]]],
                  ],
                ],
                ["match": ["prefix": "/"], "route": ["cluster": .string(EnvoyNames.httpCluster), "timeout": "0s"]],
              ])
          ]
        ]
      ],
    ]
  }

  private var innerListener: JSONValue {
    [
      "name": .string(EnvoyNames.innerListener), "internal_listener": [:],
      "listener_filters": [
        .extension("envoy.filters.listener.tls_inspector", "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector")
      ],
      "filter_chains": [
        [
          // Anything but TLS finds no chain: the connection is closed.
          "filter_chain_match": ["transport_protocol": "tls"],
          "transport_socket_connect_timeout": .string(limits.handshakeTimeout.json),
          "transport_socket": agentTLS,
          "filters": [
            HTTPManager(configuration: configuration, name: EnvoyNames.innerListener).json(
              filters: [Self.authorization(tunnel: true), HTTPManager.router],
              routes: [["match": ["prefix": "/"], "route": ["cluster": .string(EnvoyNames.httpsCluster), "timeout": "0s"]]])
          ],
        ]
      ],
      // One entry for each connection, also for one whose handshake failed.
      "access_log": [
        .extension(
          "palana.connections", "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
          ["common_config": HTTPManager.accessLog(EnvoyNames.innerListener)])
      ],
    ]
  }

  /// Certificates are asked for by name when a handshake needs them, and minted for names with an open tunnel only.
  private var agentTLS: JSONValue {
    .extension(
      "envoy.transport_sockets.tls", "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
      [
        // Both kinds of resumption would go past the selector.
        "disable_stateless_session_resumption": true, "disable_stateful_session_resumption": true,
        "common_tls_context": [
          "alpn_protocols": ["http/1.1"],
          "tls_params": ["tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"],
          "custom_tls_certificate_selector": .extension(
            "envoy.tls.certificate_selectors.on_demand_secret",
            "envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3.Config",
            [
              "config_source": Self.discovery,
              "certificate_mapper": .extension(
                "envoy.tls.certificate_mappers.sni", "envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI",
                // A handshake without a name: nothing is minted under this one.
                ["default_value": "no-server-name"]),
            ]),
        ],
      ])
  }

  // MARK: Filters

  private static func authorization(tunnel: Bool) -> JSONValue {
    func state(_ key: String, _ name: String) -> JSONValue {
      ["key": .string(key), "value": .string("%FILTER_STATE(\(name):PLAIN)%")]
    }
    var metadata = [state(EnvoyNames.ticketMetadata, EnvoyNames.ticketState)]
    if tunnel { metadata.append(state(EnvoyNames.tunnelMetadata, EnvoyNames.tunnelState)) }
    return .extension(
      EnvoyNames.authorizationFilter, "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
      [
        "transport_api_version": "V3",
        // Longer than the longest delay of a refusal to an agent that is refused too often.
        "grpc_service": [
          "envoy_grpc": ["cluster_name": .string(EnvoyNames.controlCluster)], "timeout": "70s",
          "initial_metadata": .array(metadata),
        ],
        // Nobody to ask: nothing passes.
        "failure_mode_allow": false, "status_on_error": ["code": "ServiceUnavailable"],
        // Fields as they came, each as often as it stands there, so that a credential that stands twice is seen.
        "encode_raw_headers": true, "include_tls_session": true, "validate_mutations": true,
        "decoder_header_mutation_rules": ["allow_all_routing": true, "allow_envoy": true, "disallow_is_error": true],
      ])
  }

  /// The tunnel's name goes with the connection to the inner listener.
  private static var nameTunnel: JSONValue {
    .extension(
      "envoy.filters.http.set_filter_state", "envoy.extensions.filters.http.set_filter_state.v3.Config",
      [
        "on_request_headers": [
          [
            // Hashable, so that Envoy keeps its connections to the inner listener apart by it: one that was opened for another
            // tunnel would speak for that one.
            "object_key": .string(EnvoyNames.tunnelState), "factory_key": "envoy.hashable_string",
            "format_string": [
              "text_format_source": [
                "inline_string": .string("%DYNAMIC_METADATA(\(EnvoyNames.authorizationFilter):\(EnvoyNames.idMember))%")
              ]
            ],
            "shared_with_upstream": "ONCE",
          ]
        ]
      ])
  }
}

extension JSONValue {
  /// An extension with its configuration, as Envoy names them.
  static func `extension`(_ name: String, _ type: String, _ members: JSONObject = [:]) -> JSONValue {
    var configuration: JSONObject = ["@type": .string(EnvoyNames.typePrefix + type)]
    for member in members { configuration[member.key] = member.value }
    return ["name": .string(name), "typed_config": .object(configuration)]
  }
}

extension Duration {
  /// The JSON form of a duration: seconds with a fraction and an `s`.
  var json: String {
    let (seconds, attoseconds) = components
    let millis = attoseconds / 1_000_000_000_000_000
    guard millis > 0 else { return "\(seconds)s" }
    let digits = String(millis)
    return "\(seconds).\(String(repeating: "0", count: 3 - digits.count))\(digits)s"
  }
}
