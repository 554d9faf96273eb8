"""The whole installation as docs/kubernetes/install.md says it, on a real API server with a real OpenBao: every role is the real program, with the
configuration that the chart wrote for it and the rights that the chart gave it."""

import contextlib
import json
import os
import secrets
import socket
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import support
from support import PALANAD, Role, Server, needs_server, reference, until
import charts
import yaml
from test_rights import EXAMPLE, installed

BAO = Path(os.environ.get("PALANA_TOOLS", "/opt/palana/tools")) / "openbao/bao"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def answers(url, status=200, context=None):
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            return answer.status == status
    except urllib.error.HTTPError as error:
        return error.code == status
    except OSError:
        return False


def follows_clusters():
    """Whether the gateway that is built takes its agents from a cluster."""
    text = subprocess.run([PALANAD, "gateway", "run", "--help"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return "--cluster" in text


@needs_server
@unittest.skipUnless(PALANAD.exists() and follows_clusters(), "the gateway of this build knows no cluster")
@unittest.skipUnless(BAO.exists(), f"there is no {BAO}")
class Installation(unittest.TestCase):
    def setUp(self):
        self.pods = {}
        self.server = Server.get()
        self.admin = self.server.admin
        folder = tempfile.TemporaryDirectory(prefix="palana-installation-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.start_vault()
        self.collector = f"127.0.0.1:{free_port()}"
        self.certificate, self.key = str(self.folder / "tls.crt"), self.file("tls.key", "")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=test",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate], check=True, stderr=subprocess.DEVNULL)
        installed(self, self.server, {"vault": {"address": self.vault, "caConfigMap": "vault-ca"}})
        self.bootstrap()

    def start_vault(self):
        address = f"127.0.0.1:{free_port()}"
        self.vault, self.vault_ca = f"https://{address}", str(self.folder / "vault-ca.pem")
        self.root = secrets.token_hex(16)
        log = (self.folder / "bao.log").open("wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [BAO, "server", "-dev-tls", f"-dev-tls-cert-dir={self.folder}", "-dev-no-store-token", f"-dev-root-token-id={self.root}",
             f"-dev-listen-address={address}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"HOME": str(self.folder), "PATH": os.environ["PATH"]})
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.kill)
        until("OpenBao has an authority", Path(self.vault_ca).exists)
        until("OpenBao answers", lambda: answers(self.vault + "/v1/sys/health", context=self.vault_context()))

    def vault_context(self):
        return ssl.create_default_context(cafile=self.vault_ca)

    def bootstrap(self):
        """`palanad vault bootstrap`, with a reviewer as docs/kubernetes/vault.md makes one."""
        account = reference("v1", "ServiceAccount", "vault-reviewer", charts.NAMESPACE)
        binding = {
            **reference("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "vault-reviewer"),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
            "subjects": [{"kind": "ServiceAccount", "name": "vault-reviewer", "namespace": charts.NAMESPACE}]}
        for item in (account, binding):
            self.admin.apply(item)
            self.addCleanup(self.admin.delete, item)
        command = [
            PALANAD, "vault", "bootstrap", "--address", self.vault, "--ca-file", self.vault_ca, "--token-file", self.file("root", self.root),
            "--kubernetes-host", self.server.url, "--kubernetes-ca", self.server.ca,
            "--reviewer-token-file", self.file("reviewer", self.token("vault-reviewer"))]
        for expected in ("done", "nothing to do"):
            result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            self.assertEqual(result.returncode, 0, result.stdout)
            self.assertTrue(result.stdout.endswith(expected + "\n"), result.stdout)

    def file(self, name, content):
        path = self.folder / name
        path.touch(0o600)
        path.write_text(content)
        return str(path)

    def token(self, account, audience=None, pod=None):
        """As the kubelet has it made for a pod."""
        spec = {"expirationSeconds": 3600, **({"audiences": [audience]} if audience else {})}
        if pod:
            spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        answer = self.admin.request(
            "POST", f"/api/v1/namespaces/{charts.NAMESPACE}/serviceaccounts/{account}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})
        return answer["status"]["token"]

    def configuration(self, role, change):
        """The configuration that the chart wrote, but for what only is in a pod."""
        written = self.admin.find(reference("v1", "ConfigMap", f"palana-{role}", charts.NAMESPACE))["data"][f"{role}.yaml"]
        config = yaml.safe_load(written)
        if "secrets" in config:
            self.assertEqual(config["secrets"]["caFile"], "/etc/palana/vault/ca.crt")
            config["secrets"]["caFile"] = self.vault_ca
        change(config)
        return self.file(f"{role}.yaml", yaml.safe_dump(config))

    def pod(self, role):
        """A pod that the role's Deployment has made; nobody runs it here."""
        path, label = f"/api/v1/namespaces/{charts.NAMESPACE}/pods", f"app.kubernetes.io/name=palana-{role}"
        return until(f"a pod of {role} is made", lambda: self.admin.request("GET", path, labelSelector=label)["items"])[0]

    def collected(self, config, role, pod):
        """The way to the collector, which is the name of a Service in the chart, with the token of a pod."""
        collector = config["audit"]["collector"]
        self.assertEqual(collector["url"], "https://palana-control.palana-system.svc")
        config["home"] = str(self.folder / role)
        token = self.file(f"{role}.audit-token", self.token(f"palana-{role}", "palana-audit", pod))
        config["audit"]["collector"] = collector | {"url": f"https://{self.collector}", "caFile": self.certificate, "tokenFile": token}
        return pod["metadata"]["name"]

    def vault_token(self, role):
        return self.file(f"{role}.vault-token", self.token(f"palana-{role}", "vault"))

    def stored(self, path):
        request = urllib.request.Request(f"{self.vault}/v1/kv/data/{path}", headers={"X-Vault-Token": self.root})
        with urllib.request.urlopen(request, timeout=10, context=self.vault_context()) as answer:
            return yaml.safe_load(answer.read())["data"]["data"]

    def start_gateway(self):
        kubeconfig, _ = self.server.account("palana-gateway")
        probes, self.proxy = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"

        def change(config):
            self.pods["gateway"] = self.collected(config, "gateway", self.pod("gateway"))
            config["egress"]["listen"] = self.proxy
            config["gateway"]["probes"] = probes
            config["gateway"]["cluster"] |= {"kubeconfig": str(kubeconfig), "podName": "gateway-0"}
            config["secrets"]["kubernetes"]["tokenFile"] = self.vault_token("gateway")

        config = self.configuration("gateway", change)
        gateway = Role(self, ["gateway", "--config", config])
        until("the gateway is ready", lambda: answers(f"http://{probes}/readyz"), gateway)
        lease = reference("coordination.k8s.io/v1", "Lease", "palana-gateway-gateway-0", charts.NAMESPACE)
        until("the gateway has a lease", lambda: self.admin.find(lease), gateway)
        return gateway, config

    def start_operator(self, authority, key):
        kubeconfig, _ = self.server.account("palana-operator")
        port = free_port()

        def change(config):
            config["caFile"] = self.file("ca.crt", authority)
            config["proxyKeyFile"] = self.file("key", key)
            config["secrets"]["kubernetes"]["tokenFile"] = self.vault_token("operator")
            self.pods["operator"] = self.collected(config, "operator", self.pod("operator"))
            if "admission" in support.roles():
                config["admission"] |= {"listen": f"127.0.0.1:{port}", "url": f"https://127.0.0.1:{port}"}
            else:
                del config["admission"]

        self.addCleanup(self.remove_webhooks)
        return Role(self, ["operator", "--config", self.configuration("operator", change), "--kubeconfig", kubeconfig])

    def remove_webhooks(self):
        """As docs/kubernetes/install.md says it, before an uninstallation."""
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
            item = reference("admissionregistration.k8s.io/v1", kind, "palana")
            if self.admin.find(item):
                self.admin.delete(item)

    def test_every_role_works_with_what_the_chart_gives_it(self):
        gateway, config = self.start_gateway()
        authority = subprocess.run([PALANAD, "gateway", "ca", "--config", config], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertIn("BEGIN CERTIFICATE", authority)
        operator = self.start_operator(authority, self.stored("installation/proxy-token-key")["key"])
        if "admission" in support.roles():
            webhooks = reference("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "palana")
            until("the webhooks are registered", lambda: self.admin.find(webhooks), operator)
        for item in EXAMPLE:
            until(f"{charts.key(item)} is taken", lambda item=item: self.applied(item), operator)
        agents = [item for item in EXAMPLE if item["kind"] == "Agent"]
        for agent in agents:
            until("the agent is applied", lambda agent=agent: self.is_applied(agent), operator)
        roles = [gateway, operator]
        if "control" in support.roles():
            roles.append(self.check_control())
        if "reaper" in support.roles():
            self.check_reaper()
        for agent in agents:
            self.admin.delete(agent)
        for agent in agents:
            until("the agent is gone", lambda agent=agent: self.admin.find(agent) is None, operator)
        for role in roles:
            self.assertNotIn("orbidden", role.text())

    def check_control(self):
        """The control API says who an administrator of the cluster is, and sees what is there."""
        kubeconfig, _ = self.server.account("palana-control")

        def change(config):
            config["home"] = str(self.folder / "control")
            config["listen"] = self.collector
            config["namespace"] = charts.NAMESPACE
            config["tls"] = {"certFile": self.certificate, "keyFile": self.key}
            config["secrets"]["kubernetes"]["tokenFile"] = self.vault_token("control")

        control = Role(self, ["control", "--config", self.configuration("control", change), "--kubeconfig", kubeconfig])
        client = support.Client(f"https://{self.collector}", self.certificate, self.admin.token)
        until("the control API answers", lambda: self.asked(client, "/v1/whoami"), control)
        agents = json.dumps(client.request("GET", "/v1/agents"))
        for name in ("demo", "reader"):
            self.assertIn(f'"{name}"', agents)
        self.check_trail(client, control)
        return control

    def check_trail(self, client, control):
        """What the gateway refused and what the operator repaired stand in the trail of the control API, each with its pod."""
        host, port = self.proxy.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as stranger, contextlib.suppress(ConnectionError):
            # Somebody who is no agent gets no answer.
            stranger.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
            self.assertEqual(stranger.recv(4096), b"")
        agent = next(item for item in EXAMPLE if item["kind"] == "Agent")
        found = self.admin.request("GET", "/api/v1/namespaces", labelSelector=f"palana.dev/agent={agent['metadata']['name']}")["items"]
        self.admin.delete(reference("networking.k8s.io/v1", "NetworkPolicy", "paths", found[0]["metadata"]["name"]))
        for role, decision in (("gateway", "deny"), ("operator", "info")):
            events = until(f"an event of the {role} is collected", lambda role=role, decision=decision: [
                event for event in self.lines(client, f"/v1/audit?pod={self.pods[role]}") if event["decision"] == decision], control, 120)
            account = f"system:serviceaccount:{charts.NAMESPACE}:palana-{role}"
            self.assertEqual({(e["origin"]["account"], e["origin"]["pod"]) for e in events}, {(account, self.pods[role])})
        self.assertTrue(client.request("GET", "/v1/audit/verify")["ok"])
        # With that token nothing else can be done, and with another one nothing is handed in.
        sender = support.Client(client.url, self.certificate, (self.folder / "gateway.audit-token").read_text())
        chain = "/v1/audit/collected?chain=" + "0" * 32
        self.assertEqual(sender.request("GET", chain)["seq"], 0)
        stranger = support.Client(client.url, self.certificate, self.token("palana-control", "palana-audit", self.pod("control")))
        unbound = support.Client(client.url, self.certificate, self.token("palana-gateway", "palana-audit"))
        for who, path in ((sender, "/v1/whoami"), (sender, "/v1/audit"), (client, chain), (stranger, chain), (unbound, chain)):
            with self.subTest(path=path), self.assertRaisesRegex(support.Refused, "401|403"):
                who.request("GET", path)

    def lines(self, client, path):
        request = urllib.request.Request(client.url + path, headers={"Authorization": f"Bearer {client.token}"})
        with urllib.request.urlopen(request, timeout=60, context=client.context) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def asked(self, client, path):
        try:
            return client.request("GET", path)
        except (OSError, support.Refused):
            return None

    def check_reaper(self):
        kubeconfig, _ = self.server.account("palana-reaper")
        template = self.admin.find(reference("batch/v1", "CronJob", "palana-reaper", charts.NAMESPACE))["spec"]["jobTemplate"]["spec"]["template"]
        pod = self.admin.create({**reference("v1", "Pod", "palana-reaper-0", charts.NAMESPACE), "spec": template["spec"]})
        self.addCleanup(self.admin.delete, pod)
        config = self.configuration("reaper", lambda config: self.collected(config, "reaper", pod))
        result = subprocess.run(
            [PALANAD, "reaper", "--config", config, "--kubeconfig", kubeconfig, "--namespace", charts.NAMESPACE],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn("looked at agents", result.stdout)

    def applied(self, item):
        try:
            return self.admin.apply(item)
        except support.Refused as error:
            # Known a moment later, or the webhook is not asked yet.
            if error.status in (404, 500):
                return None
            raise

    def is_applied(self, agent):
        found = self.admin.find(agent) or {}
        return any(c["type"] == "Applied" and c["status"] == "True" for c in found.get("status", {}).get("conditions", []))


if __name__ == "__main__":
    unittest.main()
