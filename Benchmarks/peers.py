"""The upstream and the peers of the egress benchmark: Envoy, squid and mitmproxy, each intercepting the same HTTPS upstream.

Every function starts one process on the cores that it is told, and returns its `subprocess.Popen`.
"""

import os
import shutil
import subprocess
from pathlib import Path

import machine
from envoy import INTERCEPTION, TLS, UPSTREAM

TOOLS = Path(os.environ.get("PALANA_TOOLS", "/opt/palana/tools"))
# The upstream's name, and its address: one of its own, because squid and mitmproxy dial the port that the client named.
NAME = "api.bench.test"
ADDRESS = "127.0.66.1"
# The upstream of the streaming benchmarks: the same server under a name that a secret is bound to, and one without.
STREAM, BARE, STREAM_ADDRESS = "stream.bench.test", "bare.bench.test", "127.0.66.2"
# Any number of names, for the rate of new ones.
NAMES = "names.bench.test"
# What the agent holds, and what the upstream must receive at CHECKED; at PLAIN it takes anything.
PLACEHOLDER = "TOKEN_BENCH"
CREDENTIAL = "the-real-credential-of-the-benchmark"
PLAIN, CHECKED = "/v1/plain", "/v1/checked"
SQUID_NAME = "plbench"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def certificates(folder):
    """One authority for the upstream and for every interceptor, and a certificate for the one name."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "30", "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem"),
            "-subj", "/CN=Benchmark authority", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *key, "-keyout", str(folder / "server.key"), "-out", str(folder / "server.csr"), "-subj", f"/CN={NAME}")
    (folder / "extensions").write_text(
        f"subjectAltName={','.join('DNS:' + name for name in (NAME, STREAM, BARE, '*.' + NAMES))}\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n")
    openssl("x509", "-req", "-in", str(folder / "server.csr"), "-CA", str(folder / "ca.pem"), "-CAkey", str(folder / "ca.key"),
            "-CAcreateserial", "-days", "30", "-extfile", str(folder / "extensions"), "-out", str(folder / "server.pem"))
    (folder / "ca-with-key.pem").write_text((folder / "ca.key").read_text() + (folder / "ca.pem").read_text())


def start(command, folder, name, cores, user=None):
    """Starts a process with its output in `folder/name.log`, on `cores` only, which its threads and children inherit,
    as preferred as this process."""
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, user=user, group=user, start_new_session=True,
            extra_groups=[] if user else None, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    machine.prefer(process.pid, os.getpriority(os.PRIO_PROCESS, 0))
    return process


def envoy(text, folder, name, cores, workers, **values):
    text = text.replace("\nTLS\n", TLS)
    values = {"FOLDER": folder, "NAME": NAME, "ADDRESS": ADDRESS, "CREDENTIAL": CREDENTIAL, "CHECKED": CHECKED,
              "ALPN": "http/1.1", "PROTOCOL": "http_protocol_options", **values}
    for key, value in values.items():
        text = text.replace(f"${key}", str(value))
    (folder / f"{name}.yaml").write_text(text)
    command = [str(TOOLS / "envoy" / "envoy"), "-c", str(folder / f"{name}.yaml"), "--concurrency", str(workers),
               "--disable-hot-restart", "--log-level", "warn"]
    return start(command, folder, name, cores)


def upstream(folder, cores):
    """The HTTPS server that all of them reach: it answers small JSON from memory."""
    return envoy(UPSTREAM, folder, "upstream", cores, len(cores), ALPN="h2, http/1.1")


def stream_upstream(folder, cores):
    """The HTTPS server of the streaming benchmarks: bodies, event streams, websockets."""
    program = load_program(folder, "serve")
    return start([str(program), f"{STREAM_ADDRESS}:443", str(folder / "server.pem"), str(folder / "server.key")],
                 folder, "serve", cores)


def load_program(folder, name):
    """Compiles the C program of a folder beside this file."""
    target = folder / name
    sources = sorted(str(path) for path in Path(__file__).with_name(name).glob("*.c"))
    if not target.exists():
        subprocess.run(["cc", "-O2", "-o", str(target), *sources, "-lssl", "-lcrypto", "-lpthread"], check=True, capture_output=True)
    return target


def interception(folder, listen, port, cores, workers, name=None, **values):
    """Stock Envoy that ends CONNECT and TLS with a static certificate and forwards. It decides, swaps and records nothing."""
    return envoy(INTERCEPTION, folder, name or f"envoy-{workers}", cores, workers, LISTEN=listen, PORT=port, **values)


def squid(folder, listen, port, cores, workers):
    """squid with ssl_bump, minting certificates from the same authority. It decides, swaps and records nothing."""
    # squid keeps shared memory by its service name, and refuses to start over what a killed one left.
    for left in Path("/dev/shm").glob(f"{SQUID_NAME}-*"):
        left.unlink(missing_ok=True)
    own = folder / f"squid-{workers}"
    own.mkdir()
    database = own / "certificates"
    subprocess.run(["/usr/lib/squid/security_file_certgen", "-c", "-s", str(database), "-M", "16MB"], check=True,
                   capture_output=True)
    (own / "hosts").write_text(f"{ADDRESS} {NAME}\n")
    shutil.copy(folder / "ca-with-key.pem", own)
    shutil.copy(folder / "ca.pem", own)
    (own / "squid.conf").write_text(f"""
http_port {listen}:{port} ssl-bump generate-host-certificates=on cert={own}/ca-with-key.pem
sslcrtd_program /usr/lib/squid/security_file_certgen -s {database} -M 16MB
tls_outgoing_options cafile={own}/ca.pem
ssl_bump bump all
http_access allow all
hosts_file {own}/hosts
cache deny all
access_log none
cache_store_log none
cache_log stdio:{own}/cache.log
coredump_dir {own}
pid_filename none
pinger_enable off
workers {workers}
shutdown_lifetime 0 seconds
""")
    # squid does not work as root. The package made this user; it must own what squid and its helpers write.
    for path in [own, *own.rglob("*")]:
        shutil.chown(path, "proxy", "proxy")
    command = ["squid", "-n", SQUID_NAME, "-N" if workers == 1 else "--foreground", "-f", str(own / "squid.conf")]
    return start(command, folder, f"squid-{workers}", cores, user="proxy")


SWAP = f"""
from mitmproxy import http


def request(flow: http.HTTPFlow):
    value = flow.request.headers.get("authorization", "")
    if "{PLACEHOLDER}" in value:
        flow.request.headers["authorization"] = value.replace("{PLACEHOLDER}", "{CREDENTIAL}")
"""


def mitmproxy(folder, listen, port, cores):
    """mitmproxy that swaps the placeholder as Palana does, in one Python process: it has no workers."""
    own = folder / "mitmproxy"
    own.mkdir()
    (own / "swap.py").write_text(SWAP)
    (own / "mitmproxy-ca.pem").write_text((folder / "ca-with-key.pem").read_text())
    (own / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {NAME}\n")
    # The name comes from a hosts file that only mitmproxy sees. An addon that moves the address instead makes mitmproxy open a new
    # upstream connection for each request, because it looks for the one that it has by the name.
    mount = 'mount --bind "$0/hosts" /etc/hosts && exec "$@"'
    return start(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", mount, str(own),
         str(TOOLS / "mitmproxy" / "bin" / "mitmdump"), "-q", "--listen-host", listen, "--listen-port", str(port),
         "--set", f"confdir={own}", "--set", f"ssl_verify_upstream_trusted_ca={folder}/ca.pem", "-s", str(own / "swap.py")],
        folder, "mitmproxy", cores)
