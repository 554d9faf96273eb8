"""The other side of the demo: a real HTTPS API with its own certificate authority, that checks the credential it is given.

Usage: upstream.py FOLDER ADDRESS PORT. In FOLDER stand server.pem, server.key and credential (the value it accepts); it writes
every request that it received, headers and all, to FOLDER/received.jsonl.
"""

import http.server
import json
import ssl
import sys
import threading
from pathlib import Path

FOLDER = Path(sys.argv[1])
EXPECTED = "Bearer " + (FOLDER / "credential").read_text().strip()
LOCK = threading.Lock()


def next_step(history):
    """Plans like a model would: from what has happened so far to the next tool call."""
    done = [step["tool"] + ":" + str(sorted(step["arguments"].items())) for step in history]
    steps = [
        ("http_get", {"url": "https://api.demo.test/v1/whoami"}),
        ("write_note", {"text": "the API knows me"}),
        ("http_get", {"url": "https://other.demo.test/v1/whoami"}),
        ("http_get", {"url": "http://169.254.169.254/latest/meta-data/"}),
        ("raw_socket", {"host": "192.0.2.7", "port": 443}),
        ("count_notes", {}),
    ]
    for tool, arguments in steps:
        if tool + ":" + str(sorted(arguments.items())) not in done:
            return {"tool": tool, "arguments": arguments}
    notes = next((s["outcome"].get("notes") for s in history if s["tool"] == "count_notes"), 0)
    return {"done": True, "summary": f"{len(history)} steps, {notes} notes in /data"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_request(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(length, 1 << 20))
        with LOCK, open(FOLDER / "received.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "headers": self.headers.items()}) + "\n")
        if self.headers.get("authorization") != EXPECTED:
            return self.answer(401, {"error": "the credential is not the one this API gave out"})
        if self.path == "/v1/plan" and self.command == "POST":
            return self.answer(200, next_step(json.loads(body or b"{}").get("history", [])))
        if self.path == "/v1/whoami":
            return self.answer(200, {"user": "demo-bot", "credentialAccepted": True})
        return self.answer(404, {"error": "there is no such resource"})

    do_GET = do_POST = handle_request


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(FOLDER / "server.pem", FOLDER / "server.key")
server = Server((sys.argv[2], int(sys.argv[3])), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
(FOLDER / "ready").write_text(str(server.server_address[1]))
server.serve_forever()
