"""Runs inside a sandbox: sends the requests of a JSON list on standard input through the platform's proxy, one connection each,
and writes what came back as a JSON list. Nothing is normalised on the way: the target goes out as it is written.

A request: {"method", "url", "headers": [[NAME, VALUE]…], "body"}. An answer: {"status", "reason", "hint", "body"}; the reason is that
of a denial, and only the gateway gives one.
"""

import base64
import http.client
import json
import os
import socket
import ssl
import sys
from urllib.parse import unquote, urlsplit

PROXY = urlsplit(os.environ["HTTPS_PROXY"])
CREDENTIALS = base64.b64encode(f"{unquote(PROXY.username)}:{unquote(PROXY.password)}".encode()).decode()


def head_of(line, headers):
    return (line + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode()


def receive(connection, method):
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response


def answer(response):
    body = response.read().decode(errors="replace")
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    denial = parsed if isinstance(parsed, dict) and parsed.get("error") in ("egress_denied", "egress_unavailable") else {}
    return {"status": response.status, "reason": denial.get("reason"), "hint": denial.get("hint"), "body": body}


def ask(request):
    method, url = request.get("method", "GET"), request["url"]
    scheme, rest = url.split("://", 1)
    authority, slash, target = rest.partition("/")
    body = request.get("body", "").encode()
    headers = [["host", authority], *request.get("headers", []), ["connection", "close"]]
    if body:
        headers.append(["content-length", str(len(body))])
    proxy_authorization = ["proxy-authorization", "Basic " + CREDENTIALS]
    with socket.create_connection((PROXY.hostname, PROXY.port), 20) as connection:
        if scheme == "http":
            connection.sendall(head_of(f"{method} {url} HTTP/1.1", [*headers, proxy_authorization]) + body)
            return answer(receive(connection, method))
        host = urlsplit(url)
        tunnel = authority if host.port else authority + ":443"
        connection.sendall(head_of(f"CONNECT {tunnel} HTTP/1.1", [["host", tunnel], proxy_authorization]))
        if refused(connection):
            return answer(receive(connection, "GET"))
        with ssl.create_default_context().wrap_socket(connection, server_hostname=host.hostname) as secure:
            secure.sendall(head_of(f"{method} {slash}{target} HTTP/1.1", headers) + body)
            return answer(receive(secure, method))


def refused(connection):
    """Reads the head of the answer to CONNECT when the tunnel stands; leaves everything in place when it does not."""
    start = b""
    while len(start) < 12:
        start = connection.recv(12, socket.MSG_PEEK)
        if not start:
            return True
    if start[9:12] != b"200":
        return True
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return False


def safely(request):
    try:
        return ask(request)
    except (OSError, http.client.HTTPException) as failure:
        return {"status": 0, "reason": None, "body": str(failure)}


print(json.dumps([safely(request) for request in json.load(sys.stdin)]))
