"""The charts as the Helm engine sees them: values, rendered text, objects."""

import re
from pathlib import Path

import yaml
from helm_python import Chart

DEPLOY = Path(__file__).resolve().parents[1]
ROOT = DEPLOY.parent
PALANA = DEPLOY / "helm" / "palana"
CRDS = DEPLOY / "helm" / "palana-crds"
NAMESPACE = "palana-system"
ENVIRONMENTS = ["development", "production"]
PHASES = ["shadow", "read-only-assist", "limited-remediation", "autonomous"]


def merged(under, over):
    """`over` laid on `under` as Helm lays one file of values on another: objects are merged, everything else is replaced."""
    result = dict(under)
    for key, value in over.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def values(*names, more=None):
    """The values of files of the chart (`production`, `phase-shadow`), later ones over earlier ones."""
    result = {}
    for name in names:
        result = merged(result, yaml.safe_load((PALANA / f"values-{name}.yaml").read_text()) or {})
    return merged(result, more or {})


def render(chart=PALANA, chosen=None):
    """[(template, text)] in the order of their names, without those that say nothing."""
    with Chart.load(chart) as loaded:
        rendered = loaded.render(chosen or {}, name=chart.name, namespace=NAMESPACE, is_install=True)
    return [(name.split("/templates/")[1], text) for name, text in sorted(rendered.items())
            if not name.endswith(".txt") and any(yaml.safe_load_all(text))]


def objects(texts):
    """The objects of rendered texts."""
    return [item for _, text in texts for item in yaml.safe_load_all(text) if item]


# What only means something in a Helm release.
HELM_LABEL = re.compile(r"^ *app\.kubernetes\.io/(managed-by: Helm|instance: palana)\n", re.M)


def plain(text):
    """A rendered text as somebody without Helm applies it."""
    lines = [line.rstrip() for line in HELM_LABEL.sub("", text).splitlines()]
    return "\n".join(line for line in lines if line).strip("\n") + "\n"


def key(item):
    metadata = item["metadata"]
    return item["kind"], metadata.get("namespace", ""), metadata["name"]
