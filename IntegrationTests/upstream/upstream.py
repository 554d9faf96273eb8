"""An upstream for tests: HTTPS and HTTP servers whose behaviour the path chooses, and a raw log of every request that came in.

Usage: upstream.py FOLDER ADDRESS NAME…   (FOLDER gets ca.pem, ports.json and received.jsonl)
Paths: /echo answers what came in; /bytes/N sends N bytes; /drip/N sends N lines, one each 50 ms; /sse an endless event stream; /status/N;
/slow never answers; /upload counts the body; /reset closes in the middle of a body; /git/… repositories (git_backend.py);
/oauth/… and /api/… token endpoints (token_endpoint.py).
"""

import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

# The folder of the sources stays as it is.
sys.dont_write_bytecode = True
FOLDER, ADDRESS, NAMES = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
LOCK = threading.Lock()


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_certificates():
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "30", "-keyout", str(FOLDER / "ca.key"), "-out", str(FOLDER / "ca.pem"),
            "-subj", "/CN=Test upstream authority", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", *key, "-keyout", str(FOLDER / "server.key"), "-out", str(FOLDER / "server.csr"), "-subj", "/CN=upstream")
    (FOLDER / "extensions").write_text(
        "subjectAltName=" + ",".join(f"DNS:{name}" for name in NAMES) + "\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", str(FOLDER / "server.csr"), "-CA", str(FOLDER / "ca.pem"), "-CAkey", str(FOLDER / "ca.key"),
            "-CAcreateserial", "-days", "30", "-extfile", str(FOLDER / "extensions"), "-out", str(FOLDER / "server.pem"))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def read_body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            total = bytearray()
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                chunk = self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return bytes(total)
                total += chunk
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status, body, content_type="application/json"):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def stream_head(self, content_type):
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def handle_request(self):
        body = self.read_body()
        with LOCK, open(FOLDER / "received.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "headers": self.headers.items(),
                                  "bytes": len(body), "body": body[:4096].decode(errors="replace")}) + "\n")
        parts = self.path.split("?")[0].split("/")
        kind, argument = parts[1], parts[2] if len(parts) > 2 else ""
        if kind == "git":
            import git_backend
            return git_backend.serve(self, FOLDER, body)
        if kind in ("oauth", "api"):
            import token_endpoint
            return token_endpoint.serve(self, FOLDER, body)
        if kind == "bytes":
            self.send_response(200)
            self.send_header("content-length", argument)
            self.end_headers()
            left, block = int(argument), b"x" * 65536
            while left > 0:
                self.wfile.write(block[:left])
                left -= len(block)
        elif kind == "drip":
            self.stream_head("text/plain")
            for number in range(int(argument)):
                self.chunk(b"line %d\n" % number)
                time.sleep(0.05)
            self.chunk(b"")
        elif kind == "sse":
            self.stream_head("text/event-stream")
            number = 0
            while True:
                self.chunk(b"data: %d\n\n" % number)
                number += 1
                time.sleep(0.02)
        elif kind == "status":
            self.answer(int(argument), b"{}")
        elif kind == "slow":
            time.sleep(600)
        elif kind == "reset":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            self.connection.close()
        else:
            self.answer(200, json.dumps({"method": self.command, "path": self.path, "bytes": len(body),
                                         "headers": {k.lower(): v for k, v in self.headers.items()}}).encode())

    def safely(self):
        try:
            self.handle_request()
        except (OSError, ValueError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = safely


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        pass


def end_with_the_tests():
    """Standard input is a pipe that the tests hold: when it ends, they have."""
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_the_tests, daemon=True).start()
make_certificates()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(FOLDER / "server.pem", FOLDER / "server.key")
plain = Server((ADDRESS, 0), Handler)
secure = Server((ADDRESS, 0), Handler)


# The handshake belongs to the connection's thread, so that a slow client does not hold up the others.
def finish_request(request, address, server=secure):
    Handler(context.wrap_socket(request, server_side=True), address, server)


secure.finish_request = finish_request
threading.Thread(target=plain.serve_forever, daemon=True).start()
(FOLDER / "ports.json.new").write_text(json.dumps({"http": plain.server_address[1], "https": secure.server_address[1]}))
os.rename(FOLDER / "ports.json.new", FOLDER / "ports.json")
secure.serve_forever()
