"""The peers of the egress benchmark: Envoy, squid and mitmproxy, each intercepting the same HTTPS upstream on the same address."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(os.environ.get("PALANA_TOOLS", "/opt/palana/tools"))
NAME = "api.bench.test"


def certificates(folder):
    """One authority for the upstream and for every interceptor, with a certificate for the one name."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "30", "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem"),
            "-subj", "/CN=Benchmark authority", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *key, "-keyout", str(folder / "server.key"), "-out", str(folder / "server.csr"), "-subj", f"/CN={NAME}")
    (folder / "extensions").write_text(f"subjectAltName=DNS:{NAME}\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", str(folder / "server.csr"), "-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key"),
            "-CAcreateserial", "-days", "30", "-extfile", str(folder / "extensions"), "-out", str(folder / "server.pem"))
    (folder / "ca-with-key.pem").write_text((folder / "ca.key").read_text() + (folder / "ca.pem").read_text())


TLS = """
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                tls_certificates:
                  - certificate_chain: {filename: FOLDER/server.pem}
                    private_key: {filename: FOLDER/server.key}
"""

UPSTREAM = """
static_resources:
  listeners:
    - address: {socket_address: {address: 127.0.0.1, port_value: PORT}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: upstream
                codec_type: HTTP1
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {prefix: "/"}
                          direct_response: {status: 200, body: {inline_string: "a small answer of one API call"}}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
TLS
"""

INTERCEPTION = """
bootstrap_extensions:
  - name: envoy.bootstrap.internal_listener
    typed_config: {"@type": type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener}
static_resources:
  listeners:
    - name: proxy
      address: {socket_address: {address: LISTEN, port_value: PORT}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: connect
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {connect_matcher: {}}
                          route:
                            cluster: inner
                            upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
    - name: inner
      internal_listener: {}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: inner
                codec_type: HTTP1
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{match: {prefix: "/"}, route: {cluster: upstream}}]
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
TLS
  clusters:
    - name: inner
      load_assignment:
        cluster_name: inner
        endpoints: [{lb_endpoints: [{endpoint: {address: {envoy_internal_address: {server_listener_name: inner}}}}]}]
    - name: upstream
      load_assignment:
        cluster_name: upstream
        endpoints:
          - lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: UPSTREAM}}}}]
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: NAME
          common_tls_context:
            tls_params: {tls_maximum_protocol_version: TLSv1_3}
            validation_context:
              trusted_ca: {filename: FOLDER/ca.pem}
              match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: NAME}}]
"""


def start(command, folder, name):
    log = open(folder / f"{name}.log", "wb")
    return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def envoy(text, folder, name, base, workers, **values):
    text = text.replace("TLS\n", TLS, 1) if "\nTLS\n" in text else text
    for key, value in {"FOLDER": folder, "NAME": NAME, **values}.items():
        text = text.replace(key, str(value))
    (folder / f"{name}.yaml").write_text(text)
    return start([str(TOOLS / "envoy" / "envoy"), "-c", str(folder / f"{name}.yaml"), "--concurrency", str(workers),
                  "--base-id", str(base), "--log-level", "warn"], folder, name)


def upstream(folder, port):
    return envoy(UPSTREAM, folder, "upstream", 71, 1, PORT=port)


def interception(folder, listen, port, upstream_port, workers):
    return envoy(INTERCEPTION, folder, f"envoy-{workers}", 72, workers, LISTEN=listen, UPSTREAM=upstream_port, PORT=port)


def squid(folder, listen, port, upstream_port, workers):
    """squid with ssl_bump, minting certificates from the same authority."""
    database = folder / f"squid-certificates-{workers}"
    subprocess.run(["/usr/lib/squid/security_file_certgen", "-c", "-s", str(database), "-M", "16MB"], check=True,
                   capture_output=True)
    # squid refuses to run as root: its helper's database and the files it reads belong to the user that the package made.
    folder.chmod(0o755)
    for path in [*database.rglob("*"), database, folder / "ca-with-key.pem"]:
        shutil.chown(path, "proxy")
    (folder / "hosts").write_text(f"127.0.0.1 {NAME}\n")
    configuration = folder / f"squid-{workers}.conf"
    configuration.write_text(f"""
http_port {listen}:{port} ssl-bump generate-host-certificates=on cert={folder}/ca-with-key.pem
sslcrtd_program /usr/lib/squid/security_file_certgen -s {database} -M 16MB
sslproxy_session_cache_size 0
tls_outgoing_options cafile={folder}/ca.pem
ssl_bump bump all
http_access allow all
hosts_file {folder}/hosts
cache deny all
access_log none
cache_log stdio:/dev/null
pid_filename none
workers {workers}
shutdown_lifetime 1 seconds
cache_effective_user proxy
""")
    return start(["squid", "-N" if workers == 1 else "--foreground", "-f", str(configuration)], folder, f"squid-{workers}")


MITM = """
from mitmproxy import http

SECRET = "the-real-credential-of-the-benchmark"


class Swap:
    def server_connect(self, data):
        data.server.address = ("127.0.0.1", UPSTREAM)

    def request(self, flow: http.HTTPFlow):
        value = flow.request.headers.get("authorization", "")
        if "TOKEN_BENCH" in value:
            flow.request.headers["authorization"] = value.replace("TOKEN_BENCH", SECRET)


addons = [Swap()]
"""


def mitmproxy(folder, listen, port, upstream_port):
    (folder / "swap.py").write_text(MITM.replace("UPSTREAM", str(upstream_port)))
    confdir = folder / "mitmproxy"
    confdir.mkdir(exist_ok=True)
    (confdir / "mitmproxy-ca.pem").write_text((folder / "ca-with-key.pem").read_text())
    return start([str(TOOLS / "mitmproxy" / "bin" / "mitmdump"), "-q", "--listen-host", listen, "--listen-port", str(port),
                  "--set", f"confdir={confdir}", "--set", f"ssl_verify_upstream_trusted_ca={folder}/ca.pem",
                  "--set", "connection_strategy=lazy", "-s", str(folder / "swap.py")], folder, "mitmproxy")


if __name__ == "__main__":
    sys.exit("this file is used by run.py")
