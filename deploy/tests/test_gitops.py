"""Examples/gitops: what it names is there, and what it holds is what Palana and Kubernetes take."""

import copy
import re
import subprocess
import sys
import unittest

from support import ROOT, Refused, Server, documents, needs_server, until
import charts
import yaml
from test_rights import installed

GITOPS = ROOT / "Examples/gitops"
# Which repository of the example is which folder of this one.
SOURCES = {
    "https://git.example.com/platform/palana.git": ROOT, "https://git.example.com/platform/clusters.git": GITOPS,
    "palana": ROOT, "clusters": GITOPS,
}


def every(kind):
    return [item for path in sorted(GITOPS.rglob("*.yaml")) for item in documents(path) if item.get("kind") == kind]


def build(test, folder):
    result = subprocess.run([sys.executable, charts.DEPLOY / "tools/kustomize.py", folder], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode == 3:
        test.skipTest(result.stderr.strip())
    test.assertEqual(result.returncode, 0, result.stderr)
    return [item for item in yaml.safe_load_all(result.stdout) if item]


class Layout(unittest.TestCase):
    def test_argo_applications_name_what_is_there(self):
        applications = every("Application")
        self.assertEqual(len(applications), 5)
        for application in applications:
            spec = application["spec"]
            sources = spec.get("sources", [spec.get("source")])
            for source in sources:
                root = SOURCES[source["repoURL"]]
                with self.subTest(application["metadata"]["name"], source=source):
                    if "path" not in source:
                        continue
                    path = root / source["path"]
                    self.assertTrue(path.is_dir())
                    for name in source.get("helm", {}).get("valueFiles", []):
                        reference, _, rest = name.partition("/")
                        referred = [s for s in sources if f"${s.get('ref')}" == reference]
                        self.assertTrue((SOURCES[referred[0]["repoURL"]] / rest if referred else path / name).is_file(), name)

    def test_argo_projects_are_those_named(self):
        projects = {project["metadata"]["name"]: project["spec"] for project in every("AppProject")}
        for application in [item["spec"] for item in every("Application")] + [every("ApplicationSet")[0]["spec"]["template"]["spec"]]:
            if application["project"] == "default":
                continue
            project = projects[application["project"]]
            for source in application.get("sources", [application.get("source")]):
                self.assertIn(source["repoURL"], project["sourceRepos"])
        kinds = {(rule["group"], rule["kind"]) for rule in projects["palana-agents"]["namespaceResourceWhitelist"]}
        self.assertEqual(kinds, {("palana.dev", "Agent"), ("palana.dev", "PeeringRule")})
        self.assertEqual(projects["palana-agents"]["clusterResourceWhitelist"], [])

    def test_the_order(self):
        waves = {item["metadata"]["name"]: int(item["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
                 for kind in ("AppProject", "Application", "ApplicationSet") for item in every(kind) if item["metadata"].get("annotations")}
        order = ["palana-platform", "palana-prerequisites", "palana-crds", "palana", "palana-policies", "palana-agents"]
        # The project and the application set have one name.
        waves["palana-agents"] = 0
        self.assertEqual(sorted(order, key=lambda name: waves[name]), order)
        self.assertFalse(next(a for a in every("Application") if a["metadata"]["name"] == "palana-crds")["spec"]["syncPolicy"]["automated"]["prune"])

        flux = {item["metadata"]["name"]: item["spec"] for item in every("Kustomization") if item["apiVersion"].startswith("kustomize.toolkit")}

        def before(name):
            found = {entry["name"] for entry in flux[name].get("dependsOn", [])}
            return found.union(*(before(other) for other in found))

        for name in ("agents-payments", "agents-search"):
            self.assertLessEqual({"palana-prerequisites", "palana-crds", "palana", "palana-policies", "palana-teams"}, before(name))
        self.assertFalse(flux["palana-crds"]["prune"])

    def test_flux_names_what_is_there(self):
        found = [item for item in every("Kustomization") if item["apiVersion"].startswith("kustomize.toolkit")]
        self.assertEqual(len(found), 7)
        for item in found:
            root = SOURCES[item["spec"]["sourceRef"]["name"]]
            with self.subTest(item["metadata"]["name"]):
                self.assertTrue((root / item["spec"]["path"] / "kustomization.yaml").is_file())
        accounts = {item["metadata"]["name"] for item in every("ServiceAccount")}
        self.assertEqual({item["spec"]["serviceAccountName"] for item in found if "serviceAccountName" in item["spec"]}, accounts)
        chart = every("HelmRelease")[0]["spec"]["chart"]["spec"]
        for name in [chart["chart"], *chart["valuesFiles"]]:
            self.assertTrue((ROOT / name).exists(), name)

    def test_everything_is_built(self):
        for folder in ("flux", "flux/palana", "flux/teams", "platform", "policies", "agents/payments", "agents/search",
                       "clusters/production", "clusters/development"):
            with self.subTest(folder):
                self.assertTrue(build(self, GITOPS / folder))

    def test_every_folder_has_an_owner_and_every_owner_a_folder(self):
        lines = [line.split() for line in (GITOPS / "CODEOWNERS").read_text().splitlines() if line and not line.startswith("#")]
        self.assertEqual(lines[0][0], "*")
        for path, *owners in lines[1:]:
            self.assertTrue((GITOPS / path.strip("/")).exists(), path)
            self.assertTrue(all(re.fullmatch(r"@[\w-]+/[\w-]+", owner) for owner in owners))
        teams = {path.name for path in (GITOPS / "agents").iterdir()}
        self.assertEqual({path.split("/")[2] for path, *_ in lines if path.startswith("/agents/")}, teams)

    def test_no_secret_is_in_it(self):
        self.assertEqual(every("Secret"), [])
        self.assertEqual(len(every("VaultStaticSecret")), 1)

    def test_the_values_of_the_clusters_are_values_of_the_chart(self):
        for environment in charts.ENVIRONMENTS:
            own = yaml.safe_load((GITOPS / "clusters" / environment / "values.yaml").read_text())
            for phase in charts.PHASES:
                items = charts.objects(charts.render(chosen=charts.values(environment, f"phase-{phase}", more=own)))
                self.assertIn("trust-phase", [item["metadata"]["name"] for item in items])


@needs_server
class Taken(unittest.TestCase):
    def test_policies_and_agents_are_taken_by_the_server(self):
        server = Server.get()
        installed(self, server, {})
        for folder in ("platform", "policies", "agents/payments", "agents/search", "flux/teams"):
            for item in build(self, GITOPS / folder):
                if item["apiVersion"].startswith("secrets.hashicorp.com"):
                    continue
                with self.subTest(charts.key(item)):
                    # Namespaces come first, and others stand in them.
                    if item["kind"] == "Namespace":
                        server.admin.apply(item)
                    elif item["metadata"].get("namespace") != "flux-system":
                        server.admin.apply(item, dryRun="All")

    def test_a_team_cannot_name_another_one(self):
        server = Server.get()
        installed(self, server, {})
        for item in build(self, GITOPS / "platform"):
            if item["kind"] in ("Namespace", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
                server.admin.apply(item)
                if item["kind"] != "Namespace":
                    self.addCleanup(server.admin.delete, item)
        agent = next(item for item in build(self, GITOPS / "agents/payments") if item["kind"] == "Agent")
        wrong = copy.deepcopy(agent)
        wrong["spec"]["owner"] = "search@example.com"
        # A policy holds a moment after it was written.
        until("another owner is refused", lambda: self.refusal(server, wrong))
        self.assertIn("the owner is the team", self.refusal(server, wrong))
        server.admin.apply(agent, dryRun="All")

    def refusal(self, server, item):
        try:
            server.admin.apply(item, dryRun="All")
        except Refused as error:
            return str(error)
        return None


if __name__ == "__main__":
    unittest.main()
