"""Runs inside a sandbox: sends raw bytes to the gateway and prints a line `NAME STATUS REASON` for each attempt. Arguments: the port of
allowed.test and the name of a second allowed host."""

import base64
import json
import os
import socket
import ssl
import sys
from urllib.parse import unquote, urlsplit

PROXY = urlsplit(os.environ["HTTPS_PROXY"])
PROOF = "Basic " + base64.b64encode(f"{unquote(PROXY.username)}:{unquote(PROXY.password)}".encode()).decode()
ALLOWED, OTHER = f"allowed.test:{sys.argv[1]}", f"{sys.argv[2]}:{sys.argv[1]}"
MARK = "TOKEN_GATE"
TLS = ssl.create_default_context()


def connect(authority):
    connection = socket.create_connection((PROXY.hostname, PROXY.port), 5)
    connection.settimeout(5)
    connection.sendall(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nproxy-authorization: {PROOF}\r\n\r\n".encode())
    return connection


def head(connection):
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        text += byte
    return text.decode(errors="replace")


def show(name, answer, connection):
    status = answer.split(" ")[1] if " " in answer else "none"
    reason = "-"
    for line in answer.lower().split("\r\n"):
        if line.startswith("content-length:") and status not in ("200", "none"):
            body = b""
            while len(body) < int(line.split(":")[1]):
                body += connection.recv(4096)
            try:
                reason = json.loads(body).get("reason", "-")
            except ValueError:
                pass
    print(name, status, reason, flush=True)


def authority(name, text):
    with connect(text) as connection:
        show(name, head(connection), connection)


def request(name, text):
    with connect(ALLOWED) as connection:
        head(connection)
        with TLS.wrap_socket(connection, server_hostname="allowed.test") as secure:
            secure.sendall(text.encode("latin1"))
            show(name, head(secure), secure)


def get(*fields, target="/echo/gate", method="GET", host=ALLOWED, body=""):
    return f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n" + "".join(f"{field}\r\n" for field in fields) + "\r\n" + body


def basic(text):
    return base64.b64encode(text.encode()).decode()


for name, text in {
    "dot": f"ALLOWED.test.:{sys.argv[1]}", "dots": f"allowed.test..:{sys.argv[1]}", "hex": "0x7f000001:80", "decimal": "2130706433:80",
    "octal": "017700000001:80", "short": "127.1:80", "mapped": "[::ffff:127.0.0.1]:80", "nat64": "[64:ff9b::7f00:1]:80",
    "6to4": "[2002:7f00:1::]:80", "loopback6": "[::1]:80", "any": "0.0.0.0:80", "gateway": f"{PROXY.hostname}:{PROXY.port}",
    "metadata": "169.254.169.254:80", "zone": "[fe80::1%25eth0]:80", "localhost": "localhost:80", "port-0": "allowed.test:0",
    "port-big": "allowed.test:65979", "port-sign": "allowed.test:+443", "user": f"user@{ALLOWED}", "nul": "allowed.test%00.evil.test:443",
    "wide": f"\uff41llowed.test:{sys.argv[1]}", "evil": f"evil.test:{sys.argv[1]}",
}.items():
    authority(name, text)

for name, text in {
    "bearer": get(f"authorization: Bearer {MARK}"),
    "basic-tab": get("authorization: Basic\t" + basic(f"u:{MARK}")),
    "folded": get("authorization: Bearer TOKEN", " _GATE"),
    "elsewhere": get(f"x-key: {MARK}"),
    "name": get(f"{MARK}: x"),
    "percent": get("authorization: Bearer TOKEN%5fGATE"),
    "percent-twice": get("authorization: Bearer TOKEN%255fGATE"),
    "adjacent": get(f"authorization: Bearer {MARK}{MARK}"),
    "nested": get(f"authorization: Bearer TOKEN_{MARK}"),
    "foreign": get("authorization: Bearer TOKEN_OF_ANOTHER"),
    "cookie": get(f"cookie: a={MARK}"),
    "query": get(target=f"/echo?x={MARK}"),
    "path": get(target="/echo/TOKEN%5FGATE"),
    "proxy-field": get(f"proxy-authorization: Basic {MARK}"),
    "twice": get(f"authorization: Bearer {MARK}", "Authorization: none"),
    "hop": get(f"authorization: Bearer {MARK}", "connection: authorization"),
    "trace": get(f"authorization: Bearer {MARK}", method="TRACE"),
    "trailer": get("transfer-encoding: chunked", "trailer: authorization", method="POST",
                   body=f"1\r\na\r\n0\r\nauthorization: Bearer {MARK}\r\n\r\n"),
    "extension": get("transfer-encoding: chunked", method="POST", body=f"1;x={MARK}\r\na\r\n0\r\n\r\n"),
    "continue": get("expect: 100-continue", "content-length: 1", method="POST"),
    "absolute-user": get(target=f"https://u:p@{ALLOWED}/echo"),
    "absolute-other": get(target=f"https://{OTHER}/echo"),
    "absolute-http": get(target=f"http://{ALLOWED}/echo"),
    "host": get(host=OTHER),
    "two-hosts": get(f"host: {ALLOWED}"),
    "tunnel": get(method="CONNECT", target=OTHER, host=OTHER),
    "h2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "leak": get("x-leak: the-real-value-of-gate"),
}.items():
    request(name, text)
