"""HTTP/1.1 with the range of answers that clients differ in, package indexes, and two model APIs."""

import base64
import gzip
import hashlib
import http.server
import json
import threading

import models

BLOCK = b"0123456789abcdef" * 4096


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    # Reading

    def body(self):
        """The request body, chunk by chunk."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            left = int(self.headers.get("content-length") or 0)
            while left > 0:
                piece = self.rfile.read(min(left, len(BLOCK)))
                left -= len(piece)
                yield piece

    def has_basic(self):
        wanted = "Basic " + base64.b64encode(f"user:{self.server.keys['basic']}".encode()).decode()
        return self.headers.get("authorization") == wanted

    # Answering

    def head(self, status, fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()

    def answer(self, status, contents, content_type="application/json", **fields):
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        self.head(status, {"content-type": content_type, "content-length": len(contents), **fields})
        if self.command != "HEAD":
            self.wfile.write(contents)

    def json(self, status, value, **fields):
        self.answer(status, json.dumps(value).encode(), **fields)

    def stream(self, content_type, pieces):
        self.head(200, {"content-type": content_type, "transfer-encoding": "chunked"})
        for piece in [*pieces, b""]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

    # Paths

    def respond(self):
        path = self.path.partition("?")[0]
        kind, _, argument = path.lstrip("/").partition("/")
        if path in models.PATHS:
            return models.answer(self, path, b"".join(self.body()))
        if kind == "upload":
            digest, count = hashlib.sha256(), 0
            for piece in self.body():
                digest.update(piece)
                count += len(piece)
            return self.json(200, {"bytes": count, "sha256": digest.hexdigest(), "chunked": "transfer-encoding" in self.headers})
        for _ in self.body():
            pass
        if kind == "locked" and not self.has_basic():
            return self.json(401, {"authorized": False}, www_authenticate='Basic realm="index"')
        if kind in ("simple", "locked", "debian"):
            found = self.server.files.get(path.removeprefix("/locked"))
            return self.answer(200, found[1], found[0]) if found else self.json(404, {})
        if kind == "hello":
            return self.json(200, {"hello": "world", "method": self.command})
        if kind == "connection":
            return self.json(200, {"port": self.client_address[1]})
        if kind == "private":
            good = self.headers.get("authorization") == "Bearer " + self.server.keys["bearer"]
            return self.json(200 if good else 401, {"authorized": good})
        if kind == "basic":
            good = self.has_basic()
            return self.json(200 if good else 401, {"authorized": good}, **{} if good else {"www_authenticate": 'Basic realm="test"'})
        if kind == "redirect":
            return self.answer(302, b"", location="/" + argument)
        if kind == "empty":
            return self.head(204, {})
        if kind == "compressed":
            text = json.dumps({"hello": "world" * 100}).encode()
            if "gzip" in self.headers.get("accept-encoding", ""):
                return self.answer(200, gzip.compress(text), content_encoding="gzip")
            return self.answer(200, text)
        if kind == "events":
            return self.stream("text/event-stream", (b"data: %d\n\n" % number for number in range(int(argument))))
        if kind == "bytes":
            self.head(200, {"content-type": "application/octet-stream", "content-length": argument})
            left = int(argument) if self.command != "HEAD" else 0
            while left > 0:
                left -= self.wfile.write(BLOCK[:left])
            return None
        return self.json(404, {})

    def safely(self):
        try:
            self.respond()
        except (OSError, ValueError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = safely


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, keys, files, context):
        super().__init__((address, 0), Handler)
        self.keys, self.files, self.context = keys, files, context

    def finish_request(self, request, address):
        # The handshake belongs to the connection's thread.
        Handler(self.context.wrap_socket(request, server_side=True) if self.context else request, address, self)

    def handle_error(self, *_):
        pass


def serve(address, keys, files, context):
    """Starts the server and returns its port; with TLS where there is a context."""
    server = Server(address, keys, files, context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
