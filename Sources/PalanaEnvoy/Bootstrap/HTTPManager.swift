import PalanaCore
import PalanaEgress

/// The HTTP part of one of the inner listeners.
struct HTTPManager {
  let configuration: EnvoyConfiguration
  /// Stands in statistics and in the access log.
  let name: String

  private var limits: EgressLimits { configuration.egress.limits }

  func json(filters: [JSONValue], routes: [JSONValue]) -> JSONValue {
    .extension(
      "envoy.filters.network.http_connection_manager",
      "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      [
        "stat_prefix": .string(name), "codec_type": "HTTP1",
        // Python's standard client opens its tunnels with HTTP/1.0.
        "http_protocol_options": ["accept_http_10": true],
        "upgrade_configs": [["upgrade_type": "websocket"]],
        "route_config": [
          "virtual_hosts": [["name": "all", "domains": ["*"], "routes": .array(routes)]],
          // Written by Envoy itself, after the authorization has looked at the head.
          "request_headers_to_remove": ["x-forwarded-proto"],
        ],
        "http_filters": .array(filters),
        "access_log": [
          .extension(
            "palana.requests", "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            ["common_config": Self.accessLog(name)])
        ],
        "local_reply_config": LocalReplies.json,
        // Who asks is known from the connection: no field of the request changes it, and none is added.
        "use_remote_address": true, "skip_xff_append": true, "internal_address_config": [:], "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        // The path is judged as it travels.
        "normalize_path": false, "merge_slashes": false, "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "max_request_headers_kb": .number(JSONNumber(max(1, min(8192, limits.headerBytes / 1024)))),
        "request_headers_timeout": .string(limits.headTimeout.json),
        "stream_idle_timeout": .string(limits.streamTimeout.json),
        "common_http_protocol_options": [
          "idle_timeout": .string(limits.idleTimeout.json), "max_headers_count": .number(JSONNumber(limits.headerFields)),
          "headers_with_underscores_action": "ALLOW",
        ],
      ])
  }

  static var router: JSONValue {
    .extension(
      "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", ["suppress_envoy_headers": true])
  }

  /// Where entries go, at once. They name no field of a request, so no credential can stand in them.
  static func accessLog(_ name: String) -> JSONValue {
    [
      "log_name": .string(name), "transport_api_version": "V3", "grpc_service": BootstrapDocument.control,
      "buffer_size_bytes": 0, "buffer_flush_interval": "0.05s",
      "filter_state_objects_to_log": [.string(EnvoyNames.ticketState), .string(EnvoyNames.tunnelState)],
    ]
  }
}
