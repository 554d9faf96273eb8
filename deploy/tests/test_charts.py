"""The charts and what Kustomize makes of them, without a cluster."""

import copy
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import support  # noqa: F401  (finds deploy/tools)
import charts
import kustomize
import yaml
from helm_python import Chart, chart
from helm_python.errors import HelmError

DESTINATIONS = yaml.safe_load((charts.DEPLOY / "kustomize/destinations.yaml").read_text())
SETS = {"defaults": {}, **{name: charts.values(name) for name in charts.ENVIRONMENTS}}
for environment in charts.ENVIRONMENTS:
    for phase in charts.PHASES:
        SETS[f"{environment}, {phase}"] = charts.values(environment, f"phase-{phase}", more=DESTINATIONS)

# Every value is another one than its default.
SETS["everything"] = charts.merged(charts.values("production", "phase-autonomous", more=DESTINATIONS), yaml.safe_load("""
image: {repository: registry.example.com/palana, digest: "sha256:%s", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
logLevel: trace
userNamespaces: true
nodeSelector: {pool: platform}
tolerations: [{key: platform, operator: Exists}]
priorityClass: {name: agents-platform, value: 2000}
authority: {configMap: authority, key: authority.pem}
proxyKey: {secret: passwords, key: password.key}
vault: {address: "https://vault.example.com", caConfigMap: vault-ca, mount: cluster-1, audience: bao, place: {namespace: "", cidrs: [10.9.0.10/32], port: 8300}}
operator:
  config:
    workers: 16
    browser:
      domain: agents.example.com
      from: {namespace: ingress-nginx, labels: {app: ingress}}
      ingress: {class: nginx, annotations: {example.com/auth-url: "https://login.example.com"}}
      wake: {port: 8090}
admission: {administrators: {users: [root@example.com], groups: [platform]}, agentsPerOwner: 0, images: [registry.example.com/agents]}
gateway: {reach: [0.0.0.0/0, 2001:db8::/32], config: {egress: {limits: {connectionsPerAgent: 64}}}}
control: {tlsSecret: control-certificate, operators: {groups: [platform]}, storage: {className: fast}, from: [{ipBlock: {cidr: 10.0.0.0/8}}]}
reaper: {schedule: "@hourly", prometheus: {url: "http://prometheus.monitoring.svc:9090", place: {namespace: monitoring, labels: {app: prometheus}}}}
audit: {audience: trails, caConfigMap: control-ca}
network: {apiServer: {cidrs: [10.96.0.1/32], ports: [443]}, dns: {namespace: dns, labels: {app: coredns}}}
trust: {templates: [reviewer]}
egressPolicies: {never: {rules: [{action: deny, host: "**.example.org"}]}}
agentTemplates: {reviewer: {image: "registry.example.com/agents/reviewer:1", command: [review]}}
""" % ("0" * 64)))


def template_of(item):
    spec = item.get("spec") or {}
    return spec.get("jobTemplate", {}).get("spec", spec).get("template")


def pods(items):
    """(name, pod template) of everything that makes pods. What a StatefulSet claims stands among the volumes, as in its pods."""
    for item in items:
        if template := copy.deepcopy(template_of(item)):
            for claim in item["spec"].get("volumeClaimTemplates", []):
                name = claim["metadata"]["name"]
                template["spec"]["volumes"].append({"name": name, "persistentVolumeClaim": {"claimName": name}})
            yield f"{item['kind']} {item['metadata']['name']}", template


def sorted_volumes(item):
    """The order of volumes means nothing, and a patch changes it."""
    if template := template_of(item):
        template["spec"]["volumes"].sort(key=lambda volume: volume["name"])
    return item


class Rendering(unittest.TestCase):
    def test_lint_has_nothing_to_say(self):
        for path, sets in ((charts.PALANA, SETS), (charts.CRDS, {"defaults": {}})):
            for name, chosen in sets.items():
                with self.subTest(chart=path.name, values=name):
                    report = chart.lint(path, chosen, strict=True, namespace=charts.NAMESPACE)
                    self.assertEqual([m for m in report["messages"] if m["error"] != "icon is recommended"], [])
                    self.assertEqual(report["errors"], [])

    def test_what_is_made_is_as_it_would_be_made(self):
        result = subprocess.run(
            [sys.executable, charts.DEPLOY / "tools/render.py", "--check"], stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_the_check_finds_what_is_not(self):
        changes = {
            "helm/palana/values.yaml": ("replicas: 3", "replicas: 4", "kustomize/base/gateway.yaml"),
            "kustomize/base/networkpolicies.yaml": ("port: 3128", "port: 3129", "kustomize/base/networkpolicies.yaml"),
            "kustomize/destinations.yaml": ("llm.example.com", "llm.example.org", "kustomize/phases/autonomous/platform.yaml"),
            "helm/palana-crds/definitions/agents.palana.dev.yaml": ("served: true", "served: false", "definitions/agents.palana.dev.yaml"),
            "kustomize/base/extra.yaml": (None, "kind: Nothing\n", "kustomize/base/extra.yaml"),
        }
        for name, (before, after, expected) in changes.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                shutil.copytree(charts.DEPLOY, root / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
                golden = "Tests/PalanaAPITests/Golden/crds.json"
                (root / golden).parent.mkdir(parents=True)
                shutil.copy(charts.ROOT / golden, root / golden)
                path = root / "deploy" / name
                text = path.read_text() if before else ""
                self.assertIn(before or "", text)
                path.write_text(text.replace(before, after) if before else after)
                result = subprocess.run(
                    [sys.executable, root / "deploy/tools/render.py", "--check"], stdout=subprocess.PIPE, text=True, check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn(expected, result.stdout)

    def test_another_namespace_is_refused(self):
        with Chart.load(charts.PALANA) as loaded, self.assertRaisesRegex(HelmError, "--namespace palana-system"):
            loaded.render({}, name="palana", namespace="default")

    def test_wrong_values_are_named(self):
        wrong = [
            ({"gatway": {"replicas": 3}}, "gatway"),
            ({"gateway": {"replicas": "many"}}, "/gateway/replicas"),
            ({"gateway": {"replicas": 0}}, "/gateway/replicas"),
            ({"gateway": {"replicas": 3, "minAvailable": 3}}, "less than gateway.replicas"),
            ({"gateway": {"reach": ["everywhere"]}}, "/gateway/reach/0"),
            ({"image": {"digest": "latest"}}, "/image/digest"),
            ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
            ({"logLevel": "loud"}, "/logLevel"),
            ({"operator": {"resources": {"limits": {"memory": "much"}}}}, "/operator/resources/limits/memory"),
            ({"operator": {"resources": {"limits": {"gpu": "1"}}}}, "gpu"),
            ({"proxyKey": {"secret": "palana-proxy-key", "value": "s3cr3t"}}, "value"),
            ({"vault": {"token": "s3cr3t"}}, "token"),
            ({"vault": {"address": "vault"}}, "/vault/address"),
            ({"vault": {"place": {"namespace": ""}}}, "vault.place: nobody is meant"),
            ({"reaper": {"schedule": "daily"}}, "/reaper/schedule"),
            ({"reaper": {"prometheus": {"url": "http://prometheus.monitoring.svc:9090"}}}, "reaper.prometheus.place: nobody is meant"),
            ({"trust": {"phase": "complete"}}, "/trust/phase"),
            ({"trust": {"allow": {"dataSources": "delete"}}}, "/trust/allow/dataSources"),
            ({"destinations": {"llm": {"hosts": ["*"]}}}, "/destinations/llm/hosts/0"),
            ({"destinations": {"llm": {"hosts": ["a.example.com", "a.example.com"]}}}, "/destinations/llm/hosts"),
            ({"destinations": {"llm": {"hosts": ["https://llm.example.com"]}}}, "/destinations/llm/hosts/0"),
            ({"egressPolicies": {"Bad_Name": {"rules": []}}}, "Bad_Name"),
            ({"network": {"apiServer": {"ports": []}}}, "/network/apiServer/ports"),
        ]
        with Chart.load(charts.PALANA) as loaded:
            for chosen, expected in wrong:
                with self.subTest(chosen), self.assertRaises(HelmError) as caught:
                    loaded.validate_schema(chosen)
                    loaded.render(chosen, name="palana", namespace=charts.NAMESPACE)
                self.assertIn(expected.replace("/", "."), str(caught.exception).replace("/", "."))

    def test_every_value_is_in_the_schema(self):
        with Chart.load(charts.PALANA) as loaded:
            self.assertEqual(set(loaded.schema["properties"]) - {"global"}, set(loaded.values))

    def test_roles_can_be_left_out(self):
        for role in ("operator", "gateway", "control", "reaper"):
            items = charts.objects(charts.render(chosen={role: {"enabled": False}}))
            self.assertEqual([charts.key(item) for item in items if f"palana-{role}" == item["metadata"]["name"]], [])
            self.assertTrue(items)


class Kustomizations(unittest.TestCase):
    def build(self, folder):
        result = subprocess.run(
            [sys.executable, charts.DEPLOY / "tools/kustomize.py", charts.DEPLOY / "kustomize" / folder], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, check=False)
        if result.returncode == 3:
            self.skipTest(result.stderr.strip())
        self.assertEqual(result.returncode, 0, result.stderr)
        return [item for item in yaml.safe_load_all(result.stdout) if item]

    def assert_same(self, folder, chosen):
        rendered = charts.objects((name, charts.plain(text)) for name, text in charts.render(chosen=chosen))
        namespace = support.documents(charts.DEPLOY / "kustomize/namespace/namespace.yaml")
        built = {charts.key(item): item for item in self.build(folder)}
        wanted = {charts.key(item): item for item in rendered + namespace}
        self.assertEqual(sorted(built), sorted(wanted))
        for name, item in wanted.items():
            self.assertEqual(sorted_volumes(built[name]), sorted_volumes(item), name)

    def test_an_overlay_says_what_the_values_say(self):
        for environment in charts.ENVIRONMENTS:
            with self.subTest(environment):
                self.assert_same(f"overlays/{environment}", SETS[environment])
        for phase in charts.PHASES:
            with self.subTest(phase):
                self.assert_same(f"overlays/{phase}", SETS[f"production, {phase}"])

    def test_the_kinds(self):
        built = self.build("crds")
        self.assertEqual(sorted(item["metadata"]["name"] for item in built),
                         sorted(item["metadata"]["name"] for item in charts.objects(charts.render(charts.CRDS))))

    def test_a_patch_without_its_target_fails(self):
        if not kustomize.LIBRARY.exists():
            self.skipTest(f"there is no {kustomize.LIBRARY}")
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(charts.DEPLOY / "kustomize", folder, dirs_exist_ok=True)
            path = Path(folder) / "overlays/production/sizes.yaml"
            path.write_text(path.read_text().replace("name: palana-gateway", "name: palana-getaway"))
            result = subprocess.run(
                [sys.executable, charts.DEPLOY / "tools/kustomize.py", path.parent], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("palana-getaway", result.stderr)


class Boundaries(unittest.TestCase):
    """What must be true of everything that is rendered, with every set of values."""

    def setUp(self):
        self.rendered = {name: charts.objects(charts.render(chosen=chosen)) for name, chosen in SETS.items()}

    def test_no_secret_is_made(self):
        for name, items in self.rendered.items():
            self.assertNotIn("Secret", {item["kind"] for item in items}, name)

    def test_every_pod_is_confined(self):
        for name, items in self.rendered.items():
            for place, template in pods(items):
                with self.subTest(values=name, pod=place):
                    self.assertEqual(self.loose(template), [])

    def test_a_pod_that_is_not_is_found(self):
        _, template = next(pods(self.rendered["defaults"]))
        loosened = [
            lambda pod, box: pod.update(hostNetwork=True), lambda pod, box: pod["securityContext"].update(runAsUser=0),
            lambda pod, box: pod["securityContext"].pop("seccompProfile"), lambda pod, box: pod.update(enableServiceLinks=True),
            lambda pod, box: box["securityContext"].update(readOnlyRootFilesystem=False),
            lambda pod, box: box["securityContext"].update(privileged=True),
            lambda pod, box: box["securityContext"].pop("capabilities"), lambda pod, box: box["resources"].pop("limits"),
            lambda pod, box: box.update(env=[{"name": "TOKEN", "value": "s3cr3t"}]),
            lambda pod, box: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        ]
        for loosen in loosened:
            changed = copy.deepcopy(template)
            loosen(changed["spec"], changed["spec"]["containers"][0])
            self.assertEqual(len(self.loose(changed)), 1)

    def loose(self, template):
        pod = template["spec"]
        found = []

        def want(what, holds):
            if not holds:
                found.append(what)

        common = pod["securityContext"]
        want("runs as somebody", common["runAsNonRoot"] and common["runAsUser"] == common["runAsGroup"] == 65532)
        want("has a seccomp profile", common.get("seccompProfile", {}).get("type") == "RuntimeDefault")
        want("shares nothing of the host", not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")))
        want("learns nothing of services", pod["enableServiceLinks"] is False)
        want("mounts nothing of the host", all(
            set(volume) - {"name"} <= {"configMap", "secret", "emptyDir", "projected", "persistentVolumeClaim"} for volume in pod["volumes"]))
        for box in pod["containers"]:
            own = box["securityContext"]
            want("gains nothing", own["allowPrivilegeEscalation"] is False and "privileged" not in own)
            want("has no capability", own.get("capabilities") == {"drop": ["ALL"]})
            want("writes nowhere", own["readOnlyRootFilesystem"] is True)
            want("has limits", "memory" in box["resources"].get("limits", {}) and "cpu" in box["resources"]["requests"])
            want("is told nothing secret", all("value" not in item for item in box.get("env", [])))
        return found

    def test_network_policies_select_what_there_is(self):
        for name, items in self.rendered.items():
            labels = [template["metadata"]["labels"] for _, template in pods(items)]
            for item in items:
                if item["kind"] in ("NetworkPolicy", "PodDisruptionBudget", "Service"):
                    selector = item["spec"].get("podSelector", item["spec"].get("selector"))
                    wanted = selector if item["kind"] == "Service" else selector.get("matchLabels", {})
                    with self.subTest(values=name, object=charts.key(item)):
                        self.assertTrue(any(wanted.items() <= some.items() for some in labels))
            selected = [item["spec"]["podSelector"] for item in items if item["kind"] == "NetworkPolicy"]
            self.assertIn({}, selected)
            self.assertEqual(len(selected), len(labels) + 1)

    def test_ways_that_are_opened_for_what_is_set(self):
        def rules(name, policy, direction):
            (item,) = [i for i in self.rendered[name] if i["kind"] == "NetworkPolicy" and i["metadata"]["name"] == f"palana-{policy}"]
            return item["spec"].get(direction, [])

        def way_to(label, number, peers, way):
            return {"ports": [{"protocol": "TCP", "port": number}], way: [{
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": peers}}, "podSelector": {"matchLabels": {"app": label}}}]}

        for label, number, peers, policy, direction, way in (
            ("ingress", 8090, "ingress-nginx", "operator", "ingress", "from"), ("prometheus", 9090, "monitoring", "reaper", "egress", "to"),
        ):
            self.assertIn(way_to(label, number, peers, way), rules("everything", policy, direction))
            self.assertNotIn(number, [p["port"] for rule in rules("defaults", policy, direction) for p in rule["ports"]])
        self.assertEqual(rules("everything", "operator", "ingress")[0]["from"], [{"ipBlock": {"cidr": "10.96.0.1/32"}}])
        outside = rules("everything", "gateway", "egress")[-1]["to"]
        self.assertEqual(outside, [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}, {"ipBlock": {"cidr": "2001:db8::/32"}}])

    def test_trails_are_collected_from_whom_the_control_api_knows(self):
        """Who hands in a trail has a token for that alone, an authority without its key, and a way; the control API takes it from nobody else."""
        for name, chosen, senders in (
            ("defaults", {}, {"operator", "gateway", "reaper"}), ("everything", SETS["everything"], {"operator", "gateway", "reaper"}),
            ("no reaper", {"reaper": {"enabled": False}}, {"operator", "gateway"}), ("off", {"audit": {"collect": False}}, set()),
            ("no control", {"control": {"enabled": False}}, set()),
        ):
            items = charts.objects(charts.render(chosen=chosen))
            configs = {i["metadata"]["name"][7:]: yaml.safe_load(next(iter(i["data"].values()))) or {} for i in items if i["kind"] == "ConfigMap"}
            policies = {i["metadata"]["name"][7:]: i["spec"] for i in items if i["kind"] == "NetworkPolicy"}
            audience = chosen.get("audit", {}).get("audience", "palana-audit")
            way = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "palana-control"}}}
            for place, template in pods(items):
                role = place.split("palana-")[1]
                tokens = [s["serviceAccountToken"] for v in template["spec"]["volumes"] for s in v.get("projected", {}).get("sources", [])]
                with self.subTest(values=name, role=role):
                    sends = role in senders
                    self.assertEqual("collector" in configs[role].get("audit", {}), sends)
                    self.assertEqual(audience in [token["audience"] for token in tokens], sends)
                    ways = [r for r in policies[role].get("egress", []) if way in r.get("to", [])]
                    self.assertEqual(ways, [{"ports": [{"protocol": "TCP", "port": 8443}], "to": [way]}] if sends else [])
                    for volume in template["spec"]["volumes"]:
                        if "secret" in volume and role != "control":
                            self.assertNotIn("tls.key", json.dumps(volume["secret"].get("items", ["tls.key"])))
            if "control" not in configs:
                continue
            collect = configs["control"].get("audit", {}).get("collect")
            accounts = sorted(f"system:serviceaccount:palana-system:palana-{role}" for role in senders)
            self.assertEqual(collect and (sorted(collect["accounts"]), collect["audience"]), (accounts, audience) if senders else None, name)
            peers = [p for r in policies["control"]["ingress"][1:] for p in r["from"]]
            self.assertEqual(
                sorted(p["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for p in peers), sorted(f"palana-{r}" for r in senders), name)

    def test_ports_of_services_are_ports_of_pods(self):
        items = self.rendered["defaults"]
        for service in (item for item in items if item["kind"] == "Service"):
            for place, template in pods(items):
                if not service["spec"]["selector"].items() <= template["metadata"]["labels"].items():
                    continue
                known = [port for box in template["spec"]["containers"] for port in box.get("ports", [])]
                for port in service["spec"]["ports"]:
                    with self.subTest(service=service["metadata"]["name"], pod=place):
                        self.assertIn(port["targetPort"], [p["name"] for p in known] + [p["containerPort"] for p in known])

    def test_a_home_is_a_folder_in_a_volume(self):
        """The root of a volume belongs to root and to the pod's group, and a role refuses a home that others can write to."""
        items = self.rendered["defaults"]
        configs = {item["metadata"]["name"]: item["data"] for item in items if item["kind"] == "ConfigMap"}
        seen = 0
        for place, template in pods(items):
            data = configs[place.split()[1]]
            home = yaml.safe_load(next(iter(data.values()))).get("home")
            if home is None:
                continue
            seen += 1
            (box,) = template["spec"]["containers"]
            mounts = [mount["mountPath"] for mount in box["volumeMounts"] if not mount.get("readOnly")]
            self.assertIn(str(Path(home).parent), mounts, place)
        self.assertEqual(seen, 4)

    def test_every_file_that_a_configuration_names_is_mounted(self):
        items = charts.objects(charts.render(chosen={"vault": {"caConfigMap": "vault-ca"}}))
        configs = {item["metadata"]["name"]: item["data"] for item in items if item["kind"] == "ConfigMap"}
        for place, template in pods(items):
            (box,) = template["spec"]["containers"]
            mounts = {mount["mountPath"]: mount["name"] for mount in box["volumeMounts"]}
            volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
            for name in re.findall(r"/(?:etc/palana|var/run/secrets)/[\w./-]+", "\n".join([*configs[place.split()[1]].values(), *box["args"]])):
                with self.subTest(pod=place, file=name):
                    volume = volumes[mounts[str(Path(name).parent)]]
                    source = volume.get("configMap") or volume.get("secret") or {}
                    known = [item["path"] for item in source.get("items", [])] or list(configs.get(source.get("name"), {}))
                    if known:
                        self.assertIn(Path(name).name, known)

    def test_images_are_named_once(self):
        digest = "sha256:" + "0" * 64
        chosen = {"image": {"repository": "registry.example.com/palana", "digest": digest}}
        images = {box["image"] for _, template in pods(charts.objects(charts.render(chosen=chosen)))
                  for box in template["spec"]["containers"]}
        self.assertEqual(images, {f"registry.example.com/palana@{digest}"})


class Rights(unittest.TestCase):
    """rbac/*.yaml, which are read as they are."""

    def test_a_role_has_its_own_rights_only(self):
        for role in ("operator", "gateway", "control", "reaper"):
            items = support.documents(charts.PALANA / "rbac" / f"{role}.yaml")
            account = {"kind": "ServiceAccount", "name": f"palana-{role}", "namespace": charts.NAMESPACE}
            roles = {(item["kind"], item["metadata"]["name"]) for item in items if item["kind"].endswith("Role")}
            for item in items:
                with self.subTest(role=role, object=charts.key(item)):
                    self.assertRegex(item["metadata"]["name"], rf"^palana-{role}(-|$)")
                    if item["kind"].endswith("Binding"):
                        self.assertEqual(item["subjects"], [account])
                        self.assertIn((item["roleRef"]["kind"], item["roleRef"]["name"]), roles)
                    for rule in item.get("rules", []):
                        self.assertNotIn("*", rule["verbs"] + rule.get("apiGroups", []) + rule.get("resources", []))
                        self.assertNotIn("escalate", rule["verbs"])
                        if "bind" in rule["verbs"]:
                            # Whoever may bind any role has every right.
                            self.assertEqual((role, rule["resourceNames"]), ("control", ["palana-user"]))


class Documentation(unittest.TestCase):
    def test_the_table_of_values(self):
        """docs/kubernetes/install.md names every value, and no other."""
        text = (charts.ROOT / "docs/kubernetes/install.md").read_text()
        table = text[text.index("## Values"):]
        named = {name for row in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`([^`]+)`", row)}
        with Chart.load(charts.PALANA) as loaded:
            known = set(self.paths(loaded.values))
        self.assertEqual(named - known, set())
        self.assertEqual(known - named, set())

    def paths(self, values, before="", depth=0):
        for key, value in values.items():
            if isinstance(value, dict) and value and key not in ("resources", "priorityClass", "labels", "place", "apiServer", "dns", "administrators", "operators"):
                yield from self.paths(value, f"{before}{key}.", depth + 1)
            else:
                yield before + key


if __name__ == "__main__":
    unittest.main()
