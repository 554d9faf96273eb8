"""pip: installs from an index, also from one with a credential in its URL."""

import sys

from probe import PASSWORD, URL, case, denial
from programs import run


def pip(target, index):
    said = run("/usr/bin/python3", "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir", "--retries=1",
               "--target", target, "palana-probe", PIP_INDEX_URL=index)
    return said if said.startswith("exit code") else run(sys.executable, "-c", f"import sys; sys.path.insert(0, {target!r}); import palana_probe; print(palana_probe.ANSWER)")


@case
def install():
    return pip("pip-open", URL["web"] + "/simple/")


@case
def credential():
    return pip("pip-locked", URL["web"].replace("://", f"://user:{PASSWORD}@") + "/locked/simple/")


@case
def denied():
    return denial(pip("pip-denied", URL["denied"] + "/simple/"))
