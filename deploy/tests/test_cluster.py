"""The charts on a real API server: installed, upgraded, removed by the Helm engine; every object is what the server takes."""

import copy
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import Refused, Server, documents, needs_server, reference, until
import charts
import yaml
from helm_python.errors import HelmError
from test_charts import DESTINATIONS, SETS, pods

AGENT = yaml.safe_load("""
apiVersion: palana.dev/v1alpha1
kind: Agent
metadata: {name: kept, namespace: default}
spec: {owner: alice@example.com, image: registry.example.com/agent:1, command: [serve]}
""")


@needs_server
class Releases(unittest.TestCase):
    """One release at a time: much of it is the whole cluster's."""

    def setUp(self):
        self.server = Server.get()
        self.admin = self.server.admin
        self.helm = self.server.helm()
        self.addCleanup(self.helm.close)
        for item in documents(charts.DEPLOY / "kustomize/namespace/namespace.yaml"):
            self.admin.apply(item)
        self.helm.install(charts.CRDS, "palana-crds")
        self.addCleanup(self.helm.uninstall, "palana-crds", ignore_not_found=True)
        until("the kinds are served", self.are_served)

    def are_served(self):
        self.admin.kinds.clear()
        found = self.admin.find(reference("apiextensions.k8s.io/v1", "CustomResourceDefinition", "killorders.palana.dev"))
        # A kind that is new has no conditions, or null for them.
        conditions = found and found.get("status", {}).get("conditions") or []
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    def install(self, chosen=None):
        self.helm.install(charts.PALANA, "palana", chosen or {})
        self.addCleanup(self.helm.uninstall, "palana", ignore_not_found=True)

    def test_an_installation_makes_what_is_rendered(self):
        chosen = SETS["production, limited-remediation"]
        self.install(chosen)
        items = charts.objects(charts.render(chosen=chosen))
        self.assertGreater(len(items), 30)
        for item in items:
            with self.subTest(charts.key(item)):
                self.assertIsNotNone(self.admin.find(item))
        self.assertEqual(self.helm.status("palana")["status"], "deployed")

    def test_every_object_of_every_set_is_taken(self):
        for name, chosen in SETS.items():
            for item in charts.objects(charts.render(chosen=chosen)):
                with self.subTest(values=name, object=charts.key(item)):
                    self.admin.apply(item, dryRun="All")

    def test_every_pod_passes_the_restricted_standard(self):
        for name, chosen in SETS.items():
            for place, template in pods(charts.objects(charts.render(chosen=chosen))):
                with self.subTest(values=name, pod=place):
                    self.admin.warnings.clear()
                    self.admin.create(self.pod(template), dryRun="All")
                    self.assertEqual(self.admin.warnings, [])

    def test_a_pod_that_is_not_confined_is_refused(self):
        _, template = next(pods(charts.objects(charts.render())))
        for member in ("runAsNonRoot", "seccompProfile"):
            pod = self.pod(template)
            del pod["spec"]["securityContext"][member]
            with self.assertRaisesRegex(Refused, "restricted"):
                self.admin.create(pod, dryRun="All")

    def pod(self, template):
        pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
        pod["metadata"] = {"generateName": "probe-", "namespace": charts.NAMESPACE}
        # Not there in a dry run.
        pod["spec"].pop("priorityClassName")
        pod["spec"]["serviceAccountName"] = "default"
        until("the account is there", lambda: self.admin.find(reference("v1", "ServiceAccount", "default", charts.NAMESPACE)))
        return pod

    def test_what_kustomize_makes_is_taken(self):
        for folder in ["development", "production", *charts.PHASES]:
            built = subprocess.run(
                [sys.executable, charts.DEPLOY / "tools/kustomize.py", charts.DEPLOY / "kustomize/overlays" / folder],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            if built.returncode == 3:
                self.skipTest(built.stderr.strip())
            items = [item for item in yaml.safe_load_all(built.stdout) if item]
            self.assertTrue(items)
            for item in items:
                with self.subTest(overlay=folder, object=charts.key(item)):
                    self.admin.apply(item, dryRun="All")

    def test_an_upgrade_changes_what_changed_and_can_be_taken_back(self):
        self.install(SETS["development, shadow"])
        gateway = reference("apps/v1", "Deployment", "palana-gateway", charts.NAMESPACE)
        policy = reference("palana.dev/v1alpha1", "EgressPolicy", "trust-phase")
        volume = reference("apps/v1", "StatefulSet", "palana-control", charts.NAMESPACE)
        before = self.admin.find(gateway)
        self.assertEqual(before["spec"]["replicas"], 1)
        self.assertTrue(all(rule.get("methods") == ["GET", "HEAD"] for rule in self.admin.find(policy)["spec"]["rules"]
                            if not rule["id"].startswith("llm")))
        self.helm.upgrade(charts.PALANA, "palana", charts.values("development", "phase-autonomous", more=DESTINATIONS))
        self.assertTrue(any("methods" not in rule and rule["id"].startswith("routine")
                            for rule in self.admin.find(policy)["spec"]["rules"]))
        self.assertEqual(self.admin.find(policy)["metadata"]["labels"]["palana.dev/trust-phase"], "autonomous")
        # A change of policies restarts no gateway, and no volume is made anew.
        self.assertEqual(self.admin.find(gateway)["spec"], before["spec"])
        self.assertEqual(self.admin.find(volume)["metadata"]["generation"], 1)
        self.helm.upgrade(charts.PALANA, "palana", charts.values("development", more={"gateway": {"replicas": 2}}))
        self.assertEqual(self.admin.find(gateway)["spec"]["replicas"], 2)
        self.assertIsNone(self.admin.find(policy))
        self.helm.rollback("palana", version=1)
        self.assertEqual(self.admin.find(policy)["metadata"]["labels"]["palana.dev/trust-phase"], "shadow")

    def test_a_configuration_that_changed_restarts_its_role_only(self):
        self.install()
        roles = [reference("apps/v1", "Deployment", f"palana-{role}", charts.NAMESPACE) for role in ("operator", "gateway")]
        before = [self.admin.find(role)["spec"]["template"] for role in roles]
        self.helm.upgrade(charts.PALANA, "palana", {"operator": {"config": {"workers": 16}}})
        after = [self.admin.find(role)["spec"]["template"] for role in roles]
        self.assertNotEqual(before[0], after[0])
        self.assertEqual(before[1], after[1])

    def test_wrong_values_install_nothing(self):
        with self.assertRaisesRegex(HelmError, "gatway"):
            self.install({"gatway": {}})
        self.assertIsNone(self.admin.find(reference("apps/v1", "Deployment", "palana-gateway", charts.NAMESPACE)))

    def test_an_upgrade_brings_new_fields_of_the_kinds(self):
        self.admin.apply(AGENT)
        self.addCleanup(self.admin.delete, AGENT)
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder) / "palana-crds"
            shutil.copytree(charts.CRDS, chart)
            path = chart / "definitions/agents.palana.dev.yaml"
            definition = yaml.safe_load(path.read_text())
            spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
            spec["properties"]["mood"] = {"type": "string"}
            path.write_text(yaml.safe_dump(definition))
            self.helm.upgrade(chart, "palana-crds")
        changed = copy.deepcopy(AGENT)
        changed["spec"]["mood"] = "calm"
        until("the new field is known", lambda: self.takes(changed))
        self.assertEqual(self.admin.find(AGENT)["spec"]["mood"], "calm")

    def takes(self, item):
        try:
            return self.admin.apply(item)
        except Refused:
            return False

    def test_an_uninstallation_deletes_no_agent_and_no_trail(self):
        self.install(SETS["production, shadow"])
        self.admin.apply(AGENT)
        self.addCleanup(self.admin.delete, AGENT)
        secret = {**reference("v1", "Secret", "palana-proxy-key", charts.NAMESPACE), "stringData": {"key": "x" * 32}}
        self.admin.apply(secret)
        self.addCleanup(self.admin.delete, secret)
        trail = reference("v1", "PersistentVolumeClaim", "home-palana-control-0", charts.NAMESPACE)
        until("the trail has a volume", lambda: self.admin.find(trail))
        self.helm.uninstall("palana")
        self.helm.uninstall("palana-crds")
        kinds = reference("apiextensions.k8s.io/v1", "CustomResourceDefinition", "agents.palana.dev")
        for kept in (AGENT, secret, kinds, trail, reference("v1", "Namespace", charts.NAMESPACE)):
            found = self.admin.find(kept)
            self.assertIsNotNone(found, charts.key(kept))
            self.assertNotIn("deletionTimestamp", found["metadata"], charts.key(kept))
        for gone in (reference("apps/v1", "Deployment", "palana-gateway", charts.NAMESPACE),
                     reference("rbac.authorization.k8s.io/v1", "ClusterRole", "palana-operator"),
                     reference("palana.dev/v1alpha1", "EgressPolicy", "trust-phase")):
            self.assertIsNone(self.admin.find(gone), charts.key(gone))
        # What stayed is taken over by the next installation.
        self.helm.install(charts.CRDS, "palana-crds")
        self.install(SETS["production, shadow"])


if __name__ == "__main__":
    unittest.main()
