"""Writes what the clients need inside of an agent as one tar file, since an agent sees of this machine only `/usr`.

Usage: bundle.py FILE   (run by the environment's own python: what is bundled are its packages, without those of the upstream side)
"""

import sys
import sysconfig
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = Path(sysconfig.get_path("purelib"))
# Whole packages of the upstream side, and descriptions of services that no test calls.
LEFT_OUT = ("moto", "cryptography", "cryptography.libs", "werkzeug", "flask", "flask_cors", "jinja2", "responses", "pycparser", "yaml")
SERVICES = ("s3", "sts", "dynamodb")


def wanted(info):
    parts = info.name.split("/")[1:]
    if not parts:
        return info
    if parts[0] in LEFT_OUT or "__pycache__" in parts:
        return None
    is_service = parts[:2] == ["botocore", "data"] and len(parts) > 2 and "." not in parts[2]
    if is_service and parts[2] not in SERVICES:
        return None
    return info


with tarfile.open(sys.argv[1], "w") as archive:
    archive.add(PACKAGES, "packages", filter=wanted)
    for path in sorted((HERE / "inside").iterdir()):
        archive.add(path, f"clients/{path.name}", filter=lambda info: None if "__pycache__" in info.name else info)
