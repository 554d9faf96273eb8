"""Writes what follows from something else below deploy/, or checks that it is what would be written."""

import json
import sys

import charts
import yaml

MADE = "# Made by deploy/tools/render from {}: do not edit.\n"


def wanted():
    """{path below deploy/: text} of every file that is made."""
    files = {}
    recorded = json.loads((charts.ROOT / "Tests/PalanaAPITests/Golden/crds.json").read_text())
    names = []
    for definition in recorded:
        name = definition["metadata"]["name"] + ".yaml"
        names.append(name)
        files[f"helm/palana-crds/definitions/{name}"] = MADE.format("`palanad crds`") + yaml.safe_dump(definition, width=10**6)
    files["helm/palana-crds/definitions/kustomization.yaml"] = kustomization("`palana crds`", names)

    names = []
    for name, text in charts.render():
        names.append(name)
        files[f"kustomize/base/{name}"] = MADE.format("the chart") + charts.plain(text)
    files["kustomize/base/kustomization.yaml"] = kustomization("the chart", ["../namespace", *names])

    destinations = yaml.safe_load((charts.DEPLOY / "kustomize/destinations.yaml").read_text())
    for phase in charts.PHASES:
        rendered = dict(charts.render(chosen=charts.values(f"phase-{phase}", more=destinations)))
        source = f"values-phase-{phase}.yaml and destinations.yaml"
        files[f"kustomize/phases/{phase}/platform.yaml"] = MADE.format(source) + charts.plain(rendered["platform.yaml"])
        files[f"kustomize/phases/{phase}/kustomization.yaml"] = kustomization(source, ["platform.yaml"], component=True)
    return files


def kustomization(source, resources, component=False):
    version, kind = ("v1alpha1", "Component") if component else ("v1beta1", "Kustomization")
    lines = [f"apiVersion: kustomize.config.k8s.io/{version}", f"kind: {kind}", "resources:", *(f"  - {name}" for name in resources)]
    return MADE.format(source) + "\n".join(lines) + "\n"


def present():
    """The paths of all files in the folders that hold nothing but what is made."""
    folders = ["helm/palana-crds/definitions", "kustomize/base", "kustomize/phases"]
    return {str(path.relative_to(charts.DEPLOY)) for folder in folders for path in (charts.DEPLOY / folder).rglob("*") if path.is_file()}


def main():
    files = wanted()
    wrong = []
    for name in sorted(files.keys() | present()):
        path = charts.DEPLOY / name
        text = files.get(name)
        if path.is_file() and text == path.read_text():
            continue
        wrong.append(name)
        if "--check" in sys.argv[1:]:
            continue
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if "--check" in sys.argv[1:]:
        for name in wrong:
            print(f"deploy/{name}: not as deploy/tools/render writes it")
        return 1 if wrong else 0
    print(f"{len(files)} files, {len(wrong)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
