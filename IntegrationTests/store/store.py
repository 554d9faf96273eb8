"""An OpenBao server with TLS for tests, made ready as docs/secrets.md says.

Usage: store.py FOLDER BAO POLICY   (FOLDER gets ca.pem, other-ca.pem, token, and store.json when all is ready)
It ends with its standard input, and the server with it.
"""

import ctypes
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

FOLDER, BAO, POLICY = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_text()


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def make_authority(name):
    openssl("req", "-x509", *KEY, "-days", "30", "-keyout", str(FOLDER / f"{name}.key"), "-out", str(FOLDER / f"{name}.pem"),
            "-subj", f"/CN=Test store {name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")


def make_certificate():
    openssl("req", *KEY, "-keyout", str(FOLDER / "server.key"), "-out", str(FOLDER / "server.csr"), "-subj", "/CN=store")
    (FOLDER / "extensions").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", str(FOLDER / "server.csr"), "-CA", str(FOLDER / "ca.pem"), "-CAkey", str(FOLDER / "ca.key"),
            "-CAcreateserial", "-days", "30", "-extfile", str(FOLDER / "extensions"), "-out", str(FOLDER / "server.pem"))


def end_with_the_tests():
    sys.stdin.buffer.read()
    server.kill()
    os._exit(0)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def ask(method, path, body=None, token=""):
    request = urllib.request.Request(
        f"{address}/v1/{path}", method=method, data=json.dumps(body).encode() if body is not None else None,
        headers={"X-Vault-Token": token} if token else {})
    with urllib.request.urlopen(request, context=tls, timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


def wait_for(what):
    while True:
        try:
            return what()
        except OSError:
            if server.poll() is not None:
                sys.exit("the server ended")
            time.sleep(0.05)


make_authority("ca")
make_authority("other-ca")
make_certificate()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
address = f"https://127.0.0.1:{port}"
tls = ssl.create_default_context(cafile=str(FOLDER / "ca.pem"))
(FOLDER / "server.hcl").write_text(f'''
storage "inmem" {{}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_cert_file = "{FOLDER}/server.pem"
  tls_key_file = "{FOLDER}/server.key"
}}
api_addr = "{address}"
''')
server = subprocess.Popen(
    [BAO, "server", "-config", str(FOLDER / "server.hcl")], stdin=subprocess.DEVNULL, stdout=open(FOLDER / "server.log", "w"),
    stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
threading.Thread(target=end_with_the_tests, daemon=True).start()
keys = wait_for(lambda: ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}))
root = keys["root_token"]
ask("PUT", "sys/unseal", {"key": keys["keys_base64"][0]})
wait_for(lambda: ask("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}}, root))
ask("PUT", "sys/policies/acl/palana", {"policy": POLICY}, root)
token = ask("POST", "auth/token/create-orphan", {"policies": ["palana"], "period": "24h"}, root)["auth"]["client_token"]
os.close(os.open(FOLDER / "token", os.O_CREAT | os.O_WRONLY, 0o600))
(FOLDER / "token").write_text(token + "\n")
(FOLDER / "store.json.new").write_text(json.dumps({"address": address, "root": root, "key": keys["keys_base64"][0]}))
os.rename(FOLDER / "store.json.new", FOLDER / "store.json")
sys.exit(server.wait())
