"""A local Kubernetes API server with its controllers, and an operator under test."""

import http.client
import json
import os
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import machine
from installation import ROOT, release_folder
from load import BenchmarkError

AGENTS = "/apis/palana.dev/v1alpha1"
LEASES = ("leases", "events")


class Cluster:
    """`with Cluster(folder)`: a server that knows our kinds and writes down who asked for what; ended with all that it started."""

    def __init__(self, folder, with_controllers=True):
        self.folder, self.local, self.stack, self.ready = folder, threading.local(), [], set()
        self.options = ["--controllers"] if with_controllers else []

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def start(self):
        # Its end is ours: the pipe closes.
        self.process = subprocess.Popen([ROOT / "scripts/api-server", self.folder, *self.options, "--audit", "--stdin"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        path = self.process.stdout.readline().strip()
        if not path:
            raise BenchmarkError("the API server did not start: " + self.process.stderr.read().strip()[-300:])
        self.kubeconfig = path
        config = json.loads(Path(path).read_text())
        self.host = config["clusters"][0]["cluster"]["server"].removeprefix("https://")
        self.tls = ssl.create_default_context(cafile=config["clusters"][0]["cluster"]["certificate-authority"])
        self.token = config["users"][0]["user"]["token"]
        definitions = subprocess.run([release_folder() / "palanad", "crds"], capture_output=True, text=True, check=True).stdout
        for document in definitions.split("\n---\n"):
            name = next(line for line in document.splitlines() if line.startswith("  name: ")).split()[1]
            self.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", document)
        self.until("the kinds are served", lambda: self.request("GET", f"{AGENTS}/agents?limit=1")[0] == 200)
        self.make("/api/v1/namespaces", {"metadata": {"name": "palana-system"}})
        threading.Thread(target=self.follow, daemon=True).start()
        return self

    def seconds(self):
        """Processor time of the server, its store and its controllers so far."""
        return machine.cpu_seconds(machine.children(self.process.pid))

    def __exit__(self, *_):
        for operator in self.stack:
            operator.kill()
        self.process.stdin.close()
        self.process.wait()

    def connection(self):
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPSConnection(self.host, context=self.tls, timeout=60)
        return self.local.connection

    def request(self, method, path, body=None, kind="application/json"):
        """The status and the body of an answer; asked again when the server closed the connection, or is too busy."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", "Content-Type": kind, "User-Agent": "bench"}
        text = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        for _ in range(20):
            try:
                self.connection().request(method, path, text, headers)
                answer = self.connection().getresponse()
                content = answer.read()
                if answer.status != 429:
                    return answer.status, content
                time.sleep(0.2)
            except (http.client.HTTPException, OSError):
                self.connection().close()
        raise BenchmarkError(f"{method} {path} was not answered")

    def get(self, path):
        status, body = self.request("GET", path)
        if status != 200:
            raise BenchmarkError(f"GET {path}: {status} {body[:200].decode(errors='replace')}")
        return json.loads(body)

    def write(self, method, path, body, kind="application/json"):
        status, answer = self.request(method, path, body, kind)
        if status not in (200, 201, 202):
            raise BenchmarkError(f"{method} {path}: {status} {answer[:300].decode(errors='replace')}")

    def make(self, path, body):
        self.write("POST", path, body)

    def apply(self, path, document):
        self.write("PATCH", path + "?fieldManager=bench&force=true", document, "application/apply-patch+yaml")

    def merge(self, path, patch):
        self.write("PATCH", path + "?fieldManager=bench", patch, "application/merge-patch+json")

    @staticmethod
    def until(what, condition, seconds=900, pause=0.1):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise BenchmarkError(f"it did not happen within {seconds} s: {what}")
            time.sleep(pause)

    # Agents.

    def add(self, numbers):
        """Makes agents, a hundred of each owner, from several connections at once."""
        owners = sorted({number // 100 for number in numbers})
        for owner in owners:
            status, _ = self.request("POST", "/api/v1/namespaces", {"metadata": {"name": f"people-{owner}"}})
            if status not in (201, 409):
                raise BenchmarkError(f"the namespace of an owner could not be made: {status}")

        def one(number):
            self.make(f"{AGENTS}/namespaces/people-{number // 100}/agents", {
                "apiVersion": "palana.dev/v1alpha1", "kind": "Agent", "metadata": {"name": f"a{number}"},
                "spec": {"owner": f"owner{number // 100}@example.com", "image": "example.com/agent:1", "command": ["serve"],
                         "resources": {"cpu": "500m", "memory": "256Mi", "storage": "1Gi"}, "ports": [{"name": "http", "port": 8080}]}})
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(one, numbers))

    def follow(self):
        """Keeps count of the agents that have everything in the cluster as they want it. By a watch: lists of thousands cost the server much."""
        while self.process.poll() is None:
            try:
                self.watch()
            except (http.client.HTTPException, OSError, KeyError, ValueError, BenchmarkError):
                # The server ends watches when it likes, as when it has taken up a new kind.
                time.sleep(0.2)

    def watch(self):
        found = self.get(f"{AGENTS}/agents")
        self.ready = {agent["metadata"]["name"] for agent in found["items"] if is_applied(agent)}
        connection = http.client.HTTPSConnection(self.host, context=self.tls, timeout=60)
        connection.request(
            "GET", f"{AGENTS}/agents?watch=true&allowWatchBookmarks=true&timeoutSeconds=3600"
            f"&resourceVersion={found['metadata']['resourceVersion']}",
            headers={"Authorization": f"Bearer {self.token}", "User-Agent": "bench"})
        for line in connection.getresponse():
            event = json.loads(line)
            if event["type"] == "BOOKMARK":
                continue
            name = event["object"]["metadata"]["name"]
            (self.ready.add if is_applied(event["object"]) else self.ready.discard)(name)

    def applied(self):
        return len(self.ready)

    def home(self, number):
        """The namespace that was made for an agent."""
        found = self.get(f"/api/v1/namespaces?labelSelector=palana.dev/agent=a{number}")["items"]
        if len(found) != 1:
            raise BenchmarkError(f"agent {number} has {len(found)} namespaces")
        return found[0]["metadata"]["name"]

    # What the operator asked for.

    def place(self):
        """The end of the audit log as it is now, after what is still on its way to it."""
        size = -1
        while size != (size := self.log_size()):
            time.sleep(1.5)
        return size

    def log_size(self):
        return (self.folder / "audit.log").stat().st_size

    def requests(self, start, end):
        """The operator's requests between two places of the log: (verb, resource, subresource, namespace, name)."""
        with open(self.folder / "audit.log", "rb") as log:
            log.seek(start)
            for line in log.read(end - start).splitlines():
                event = json.loads(line)
                if event.get("userAgent", "").startswith("palana/"):
                    what = event.get("objectRef", {})
                    yield (event["verb"], what.get("resource", ""), what.get("subresource", ""), what.get("namespace", ""),
                           what.get("name", ""))


def is_applied(agent):
    conditions = agent.get("status", {}).get("conditions") or []
    return any(one["type"] == "Applied" and one["status"] == "True" for one in conditions)


class Operator:
    """A running `palanad operator` of the release build."""

    def __init__(self, cluster):
        folder = cluster.folder / f"operator-{len(cluster.stack)}"
        folder.mkdir()
        (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n")
        (folder / "key").write_text("k" * 40)
        (folder / "operator.yaml").write_text(
            "gateway:\n  host: palana-gateway.palana-system.svc.cluster.local\n"
            "  pods: {namespace: palana-system, labels: {app.kubernetes.io/name: palana-gateway}}\n"
            f"caFile: {folder}/ca.pem\nproxyKeyFile: {folder}/key\n")
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [release_folder() / "palanad", "operator", "--config", folder / "operator.yaml", "--kubeconfig", cluster.kubeconfig,
             "--namespace", "palana-system"],
            stdin=subprocess.DEVNULL, stdout=open(folder / "trail", "wb"), stderr=open(self.log, "wb"), start_new_session=True)
        cluster.stack.append(self)
        Cluster.until("the operator knows the cluster", self.knows)

    def knows(self):
        if self.process.poll() is not None:
            raise BenchmarkError("the operator has ended: " + self.log.read_text()[-300:])
        return "the cluster is known" in self.log.read_text()

    def seconds(self):
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """MiB that are resident now, and the most that ever were."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return tuple(round(int(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) / 1024, 1)
                     for name in ("VmRSS:", "VmHWM:"))

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
