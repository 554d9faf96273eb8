"""The roles under exactly the rights that the chart gives them, on a real API server: the real program, with the token of its account."""

import tempfile
import unittest
from pathlib import Path

import support
from support import Role, Server, documents, needs_server, reference, until
import charts
import yaml

EXAMPLE = documents(support.ROOT / "Examples/kubernetes/agent.yaml")
AUTHORITY = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
# For the kinds of objects that only agents with a browser port have.
BROWSER = {
    "domain": "agents.example.com", "from": {"namespace": "ingress-nginx"},
    "ingress": {"class": "nginx", "annotations": {"example.com/auth-url": "https://login.example.com"}}}


def installed(test, server, chosen):
    """Installs the charts; they go with the test."""
    helm = server.helm()
    test.addCleanup(helm.close)
    for item in documents(charts.DEPLOY / "kustomize/namespace/namespace.yaml"):
        server.admin.apply(item)
    for chart, name, values in ((charts.CRDS, "palana-crds", {}), (charts.PALANA, "palana", chosen)):
        helm.install(chart, name, values)
        test.addCleanup(helm.uninstall, name, ignore_not_found=True)


def configuration(test, server, role, **replaced):
    """The configuration of a role as the chart has written it, with the files that are mounted in its pod in a folder of ours."""
    written = server.admin.find(reference("v1", "ConfigMap", f"palana-{role}", charts.NAMESPACE))["data"][f"{role}.yaml"]
    folder = tempfile.TemporaryDirectory(prefix="palana-rights-")
    test.addCleanup(folder.cleanup)
    config = yaml.safe_load(written)
    for key, content in replaced.items():
        test.assertTrue(config[key].startswith("/etc/palana/"))
        path = Path(folder.name) / key
        path.touch(0o600)
        path.write_text(content)
        config[key] = str(path)
    path = Path(folder.name) / f"{role}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@needs_server
class OperatorRights(unittest.TestCase):
    def setUp(self):
        self.server = Server.get()
        self.admin = self.server.admin
        installed(self, self.server, {"operator": {"config": {"browser": BROWSER}}, "admission": {"enabled": False}, "audit": {"collect": False}})
        self.kubeconfig, self.account = self.server.account("palana-operator")
        config = configuration(self, self.server, "operator", caFile=AUTHORITY, proxyKeyFile="k" * 40)
        self.operator = Role(self, ["operator", "--config", config, "--kubeconfig", self.kubeconfig])

    def test_an_agent_gets_everything_is_cut_off_and_goes(self):
        agents = [item for item in EXAMPLE if item["kind"] == "Agent"]
        # A page for browsers, so that the example has every kind of object.
        template = next(item for item in EXAMPLE if item["kind"] == "AgentTemplate")
        template["spec"]["ports"][0]["browser"] = True
        for item in EXAMPLE:
            until(f"{charts.key(item)} is taken", lambda item=item: self.applied(item))
        for agent in agents:
            until(f"{agent['metadata']['name']} is applied", lambda agent=agent: self.condition(agent, "Applied"), self.operator)
        namespace = self.namespace("demo")
        kinds = [
            ("v1", "ServiceAccount", "agent"), ("v1", "ResourceQuota", "agent"), ("v1", "LimitRange", "agent"),
            ("v1", "ConfigMap", "palana-ca"), ("v1", "Secret", "palana-proxy"), ("v1", "PersistentVolumeClaim", "data"),
            ("v1", "Service", "agent"), ("apps/v1", "StatefulSet", "agent"), ("networking.k8s.io/v1", "NetworkPolicy", "default-deny"),
            ("networking.k8s.io/v1", "NetworkPolicy", "paths"), ("networking.k8s.io/v1", "NetworkPolicy", "peers"),
            ("networking.k8s.io/v1", "Ingress", "agent"), ("rbac.authorization.k8s.io/v1", "Role", "agent-owner"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding", "agent-owner"),
        ]
        for version, kind, name in kinds:
            with self.subTest(kind):
                self.assertIsNotNone(self.admin.find(reference(version, kind, name, namespace)))

        policy = reference("networking.k8s.io/v1", "NetworkPolicy", "paths", namespace)
        before = self.admin.find(policy)["metadata"]["uid"]
        self.admin.delete(policy)
        until("the policy is back", lambda: (self.admin.find(policy) or {"metadata": {"uid": before}})["metadata"]["uid"] != before)
        role = reference("rbac.authorization.k8s.io/v1", "Role", "agent-owner", namespace)
        wide = self.admin.find(role)
        wide["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
        self.admin.request("PUT", self.admin.path(role), wide)
        until("the role is narrow again", lambda: len(self.admin.find(role)["rules"]) < len(wide["rules"]))

        order = {
            **reference("palana.dev/v1alpha1", "KillOrder", "incident"),
            "spec": {"target": {"owner": "alice@example.com"}, "reason": "a test", "by": "admin",
                     "at": "2026-01-01T00:00:00Z"}}
        self.admin.create(order)
        self.addCleanup(self.removed, order)
        workload = reference("apps/v1", "StatefulSet", "agent", namespace)
        until("the paths are gone", lambda: self.admin.find(policy) is None)
        until("nothing runs", lambda: self.admin.find(workload)["spec"]["replicas"] == 0)
        self.admin.delete(order)
        until("the paths are back", lambda: self.admin.find(policy))

        for agent in agents:
            self.admin.delete(agent)
        for agent in agents:
            until("the agent is gone", lambda agent=agent: self.admin.find(agent) is None)
        self.assertIsNone(self.admin.find(workload))
        self.assertNotIn("orbidden", self.operator.text())

    def test_what_it_cannot(self):
        refused = [
            ("GET", "/api/v1/nodes"), ("DELETE", "/api/v1/nodes/some"), ("POST", "/api/v1/namespaces/kube-system/pods"),
            ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
            ("DELETE", "/apis/palana.dev/v1alpha1/killorders/some"),
            ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
        ]
        for method, path in refused:
            with self.subTest(f"{method} {path}"), self.assertRaisesRegex(support.Refused, "403"):
                self.account.request(method, path, {} if method == "POST" else None)

    def applied(self, item):
        try:
            return self.admin.apply(item)
        except support.Refused as error:
            if error.status == 404:
                return None
            raise

    def removed(self, item):
        if self.admin.find(item):
            self.admin.delete(item)

    def condition(self, agent, kind):
        found = self.admin.find(agent) or {}
        return any(c["type"] == kind and c["status"] == "True" for c in found.get("status", {}).get("conditions", []))

    def namespace(self, agent):
        found = self.admin.request("GET", "/api/v1/namespaces", labelSelector=f"palana.dev/agent={agent}")["items"]
        self.assertEqual(len(found), 1)
        return found[0]["metadata"]["name"]


if __name__ == "__main__":
    unittest.main()
