import PalanaCore
import PalanaEgress

/// Where Envoy connects to: this process, its own inner listeners, and upstreams.
struct UpstreamClusters {
  let configuration: EnvoyConfiguration

  var all: [JSONValue] {
    [
      control, inner(EnvoyNames.proxyCluster, to: EnvoyNames.proxyListener), inner(EnvoyNames.innerCluster, to: EnvoyNames.innerListener),
      upstream(EnvoyNames.httpCluster, tls: false), upstream(EnvoyNames.httpsCluster, tls: true),
    ]
  }

  private static let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

  /// Agents are held by limits of their own; these would be one limit for all of them together.
  private static let unlimited: JSONValue = [
    "thresholds": [
      [
        "max_connections": 1_000_000, "max_pending_requests": 1_000_000, "max_requests": 1_000_000,
      ]
    ]
  ]

  private var control: JSONValue {
    cluster(
      EnvoyNames.controlCluster, "STATIC",
      [
        "connect_timeout": "1s",
        "load_assignment": Self.endpoint(EnvoyNames.controlCluster, ["pipe": ["path": .string(configuration.controlSocket)]]),
        "typed_extension_protocol_options": Self.protocolOptions(["explicit_http_config": ["http2_protocol_options": [:]]]),
      ])
  }

  private func inner(_ name: String, to listener: String) -> JSONValue {
    cluster(
      name, "STATIC",
      [
        "connect_timeout": "5s",
        "load_assignment": Self.endpoint(name, ["envoy_internal_address": ["server_listener_name": .string(listener)]]),
        "transport_socket": .extension(
          "envoy.transport_sockets.internal_upstream",
          "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
          [
            "transport_socket": .extension(
              "envoy.transport_sockets.raw_buffer", "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")
          ]),
      ])
  }

  /// Dials the address that the answer to the authorization names: it was resolved and checked there, and nothing is resolved here.
  private func upstream(_ name: String, tls: Bool) -> JSONValue {
    var members: JSONObject = [
      "connect_timeout": .string(configuration.egress.limits.dialTimeout.json),
      "lb_policy": "CLUSTER_PROVIDED",
      "original_dst_lb_config": [
        "metadata_key": ["key": .string(EnvoyNames.authorizationFilter), "path": [["key": .string(EnvoyNames.upstreamMember)]]]
      ],
      "typed_extension_protocol_options": Self.protocolOptions([
        "common_http_protocol_options": ["idle_timeout": .string(configuration.egress.limits.upstreamIdle.json)],
        "upstream_http_protocol_options": ["auto_sni": true, "auto_san_validation": true],
        "explicit_http_config": ["http_protocol_options": [:]],
      ]),
    ]
    if tls {
      members["transport_socket"] = .extension(
        "envoy.transport_sockets.tls", "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        [
          "common_tls_context": [
            // Without a maximum Envoy's clients stop at 1.2.
            "tls_params": ["tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"],
            "validation_context": ["trusted_ca": ["filename": .string(configuration.rootsFile)]],
          ]
        ])
    }
    return cluster(name, "ORIGINAL_DST", members)
  }

  private func cluster(_ name: String, _ type: String, _ members: JSONObject) -> JSONValue {
    var all: JSONObject = ["name": .string(name), "type": .string(type), "circuit_breakers": Self.unlimited]
    for member in members { all[member.key] = member.value }
    return .object(all)
  }

  private static func endpoint(_ name: String, _ address: JSONValue) -> JSONValue {
    ["cluster_name": .string(name), "endpoints": [["lb_endpoints": [["endpoint": ["address": address]]]]]]
  }

  private static func protocolOptions(_ members: JSONObject) -> JSONValue {
    var all: JSONObject = ["@type": .string(EnvoyNames.typePrefix + options)]
    for member in members { all[member.key] = member.value }
    return .object([options: .object(all)])
  }
}
