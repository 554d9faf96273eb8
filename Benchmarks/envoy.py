"""Envoy's configurations of the benchmark, as templates: `$WORD` is replaced, a line `TLS` becomes the TLS server's settings."""

MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = """
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
"""

TLS = """
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [$ALPN]
                tls_certificates:
                  - certificate_chain: {filename: $FOLDER/server.pem}
                    private_key: {filename: $FOLDER/server.key}
"""

# At $CHECKED only the real credential gets an answer of 200: so each request proves that it was swapped in.
UPSTREAM = f"""
static_resources:
  listeners:
    - address: {{socket_address: {{address: $ADDRESS, port_value: 443}}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {MANAGER}
                stat_prefix: upstream
                codec_type: AUTO
                http2_protocol_options: {{max_concurrent_streams: 128}}
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match:
                            prefix: $CHECKED
                            headers: [{{name: authorization, string_match: {{exact: Bearer $CREDENTIAL}}}}]
                          direct_response: {{status: 200, body: {{inline_string: '{{"answer": "a small one of one API call"}}'}}}}
                        - match: {{prefix: $CHECKED}}
                          direct_response: {{status: 401, body: {{inline_string: "not the credential"}}}}
                        - match: {{prefix: "/"}}
                          direct_response: {{status: 200, body: {{inline_string: '{{"answer": "a small one of one API call"}}'}}}}
{ROUTER}
TLS
"""

INTERCEPTION = f"""
bootstrap_extensions:
  - name: envoy.bootstrap.internal_listener
    typed_config: {{"@type": type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener}}
static_resources:
  listeners:
    - name: proxy
      address: {{socket_address: {{address: $LISTEN, port_value: $PORT}}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {MANAGER}
                stat_prefix: connect
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {{connect_matcher: {{}}}}
                          route:
                            cluster: inner
                            upgrade_configs: [{{upgrade_type: CONNECT, connect_config: {{}}}}]
{ROUTER}
    - name: inner
      internal_listener: {{}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {MANAGER}
                stat_prefix: inner
                codec_type: AUTO
                http2_protocol_options: {{max_concurrent_streams: 128}}
                upgrade_configs: [{{upgrade_type: websocket}}]
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{{match: {{prefix: "/"}}, route: {{cluster: upstream, timeout: 0s}}}}]
{ROUTER}
TLS
  clusters:
    - name: inner
      circuit_breakers: {{thresholds: [{{max_connections: 65536, max_pending_requests: 65536, max_requests: 65536}}]}}
      load_assignment:
        cluster_name: inner
        endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{envoy_internal_address: {{server_listener_name: inner}}}}}}}}]}}]
    - name: upstream
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {{$PROTOCOL: {{}}}}
      circuit_breakers: {{thresholds: [{{max_connections: 65536, max_pending_requests: 65536, max_requests: 65536}}]}}
      load_assignment:
        cluster_name: upstream
        endpoints:
          - lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: $ADDRESS, port_value: 443}}}}}}}}]
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: $NAME
          common_tls_context:
            alpn_protocols: [$ALPN]
            tls_params: {{tls_maximum_protocol_version: TLSv1_3}}
            validation_context:
              trusted_ca: {{filename: $FOLDER/ca.pem}}
              match_typed_subject_alt_names: [{{san_type: DNS, matcher: {{exact: $NAME}}}}]
"""
