"""What the clients of the tests talk to: real servers on this machine, with the certificate of the tests' upstream.

Usage: serve.py FOLDER ADDRESS KEYS   (FOLDER has server.pem and server.key, and gets services.json; KEYS is a JSON object of the values
that stand behind the clients' placeholders: bearer, basic, openai, anthropic)
Runs until its standard input ends.
"""

import json
import os
import ssl
import sys
import threading
from pathlib import Path

import buckets
import packages
import rpc
import sockets
import web

folder, address, keys = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
certificate, key = folder / "server.pem", folder / "server.key"


def end_with_the_tests():
    """Standard input is a pipe that the tests hold: when it ends, they have."""
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_the_tests, daemon=True).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
files = packages.build(folder)
ports = {
    "web": web.serve(address, keys, files, context),
    "plain": web.serve(address, keys, files, None),
    "socket": sockets.serve(address, keys, context),
    "rpc": rpc.serve(address, keys, certificate.read_bytes(), key.read_bytes()),
    "buckets": buckets.serve(address, context),
    "signed": buckets.serve(address, context, {keys["aws_id"]: keys["aws_key"]}),
}
(folder / "services.json.new").write_text(json.dumps(ports))
os.rename(folder / "services.json.new", folder / "services.json")
threading.Event().wait()
