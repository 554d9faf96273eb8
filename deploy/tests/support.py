"""What the tests of deploy/ share: where things are, and a client of a real API server."""

import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "tools"))

import yaml  # noqa: E402
from helm_python import Config  # noqa: E402

PALANAD = ROOT / ".build/debug/palanad"
ASSETS = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/usr/local/kubebuilder/bin")
HAS_SERVER = all(os.access(ASSETS / name, os.X_OK) for name in ("etcd", "kube-apiserver", "kube-controller-manager"))
needs_server = unittest.skipUnless(HAS_SERVER, "there is no Kubernetes API server")


class Refused(Exception):
    """What the API server said no to."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


class Client:
    """Requests to an API server as whoever has the token."""

    def __init__(self, url, ca, token, warnings=None):
        self.url, self.ca, self.token = url, ca, token
        self.context = ssl.create_default_context(cafile=ca)
        # What the server warned of, such as a pod that a stricter standard would refuse.
        self.warnings = [] if warnings is None else warnings
        self.kinds = {}

    def request(self, method, path, body=None, kind="application/json", **query):
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(
            url, data, {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context) as answer:
                self.warnings += answer.headers.get_all("Warning") or []
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text)["message"]
            except (ValueError, KeyError, TypeError):
                pass
            raise Refused(error.code, text) from None

    def path(self, item, collection=False):
        """The path of an object, by what the server says of its kind."""
        version, kind = item["apiVersion"], item["kind"]
        if (version, kind) not in self.kinds:
            base = f"/apis/{version}" if "/" in version else f"/api/{version}"
            for known in self.request("GET", base)["resources"]:
                if "/" not in known["name"]:
                    self.kinds[(version, known["kind"])] = (f"{base}", known["name"], known["namespaced"])
        base, plural, namespaced = self.kinds[(version, kind)]
        if namespaced:
            base += f"/namespaces/{item['metadata']['namespace']}"
        return f"{base}/{plural}" + ("" if collection else f"/{item['metadata']['name']}")

    def apply(self, item, **query):
        return self.request("PATCH", self.path(item), item, "application/apply-patch+yaml",
                            fieldManager="tests", force="true", fieldValidation="Strict", **query)

    def create(self, item, **query):
        return self.request("POST", self.path(item, collection=True), item, fieldValidation="Strict", **query)

    def find(self, item):
        """The object as it is, or None."""
        try:
            return self.request("GET", self.path(item))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def delete(self, item):
        return self.request("DELETE", self.path(item))


def reference(version, kind, name, namespace=None):
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def until(what, condition, role=None, seconds=60):
    """Waits for a condition and returns what it came to. Says what the role that has to see to it said, if it does not happen."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end or (role and role.process.poll() is not None):
            raise AssertionError(f"it did not happen: {what}\n" + (role.text()[-4000:] if role else ""))
        time.sleep(0.1)


class Server:
    """A real API server with its controllers, one for all tests of the process."""

    shared = None

    @classmethod
    def get(cls):
        if cls.shared is None:
            cls.shared = cls()
        return cls.shared

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="palana-charts-")
        # It ends when its standard input closes, with this process at the latest.
        self.process = subprocess.Popen(
            [ROOT / "scripts/api-server", self.folder.name, "--controllers", "--stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        self.kubeconfig = self.process.stdout.readline().strip()
        if not self.kubeconfig:
            raise AssertionError("the API server did not start")
        config = json.loads(Path(self.kubeconfig).read_text())
        cluster = config["clusters"][0]["cluster"]
        self.url, self.ca = cluster["server"], cluster["certificate-authority"]
        self.admin = Client(self.url, self.ca, config["users"][0]["user"]["token"])
        unittest.addModuleCleanup(self.end)

    def end(self):
        type(self).shared = None
        self.process.stdin.close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.folder.cleanup()

    def helm(self, namespace="palana-system"):
        return Config(kubeconfig_path=self.kubeconfig, namespace=namespace, qps=200.0, burst_limit=200)

    def account(self, name, namespace="palana-system"):
        """A kubeconfig with the token of a service account, as its pod would have it."""
        answer = self.admin.request(
            "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}})
        token = answer["status"]["token"]
        path = Path(self.folder.name) / f"{name}.kubeconfig"
        path.touch(0o600)
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "pod",
            "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority": self.ca}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "pod", "context": {"cluster": "c", "user": "u", "namespace": namespace}}]}))
        return path, Client(self.url, self.ca, token)


class Role:
    """A running `palanad ROLE` whose output is kept, and which ends with the test."""

    def __init__(self, test, arguments):
        self.output = []
        self.process = subprocess.Popen(
            [PALANAD, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=lambda: self.output.extend(self.process.stdout), daemon=True)
        self.reader.start()
        test.addCleanup(self.end)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def text(self):
        return "".join(self.output)


def roles():
    """The roles and other commands of palanad."""
    text = subprocess.run([PALANAD, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"^  (\w[\w-]*) {2,}", text[text.index("SUBCOMMANDS:"):], re.M)


def documents(path):
    return [item for item in yaml.safe_load_all(Path(path).read_text()) if item]
